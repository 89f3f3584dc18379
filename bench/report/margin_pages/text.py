"""The page of a margin, and the tables that list them all: specs, docstrings and measured numbers, in Markdown."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterable, Sequence

from torch import Tensor

from bench.catalog import GATES, MARGINS, Option, Spec
from bench.catalog.rules import gate_problem
from bench.losses.head import MarginHead
from bench.report.margin_pages.situation import (
    BATCH,
    BATCHES,
    CLASSES,
    STEP,
    STRENGTHS,
    depends_on_step,
    gate_of,
    has_straight_through,
    head_of,
    in_words,
    pull_depends_on_norm,
    relative_pulls,
)

MARK = "<!-- written by python -m bench.report.margin_pages docs/margins -->"

FACTORS = {"cosine": "s·ψ", "inner": "‖x‖‖W_y‖·ψ", "norm": "‖x‖·ψ"}
FUNCTIONS = {
    "values": "of each sample",
    "start": "state at the start",
    "learned": "learned values at the start",
    "update": "state after a batch",
    "negative": "the other classes' cosines",
    "cost": "cost of another class",
    "positive": "cost of the target",
    "posterior": "posterior p",
    "logit": "target logit",
    "prefactor": "prefactor s_i",
    "regulariser": "regulariser",
    "check": "options together",
}
"""Functions that a margin may declare beside ψ, by what they give."""


def own_margins() -> list[Spec]:
    """This project's margins, whatever other packages are installed."""
    return [spec for spec in MARGINS if spec.package is None]


def page(spec: Spec) -> str:
    """The page of a margin."""
    head = head_of(spec.name)
    parts = [
        f"# {spec.name}",
        MARK,
        f"{spec.summary}. Source: {_linked(spec.source)}.",
        f"![{spec.name}: ψ, pull by angle, pull by direction]({spec.name}.png)",
        _caption(spec),
        "Weakest over strongest of the 2,000 pulls, where 1 is isotropic:",
        _table([f"λ = {strength:g}" for strength in STRENGTHS], [_isotropy(head)]),
        "## Definition",
        "ψ: " + (inspect.getdoc(spec.function) or ""),
        _functions(spec),
        "## Facts",
        "\n".join(f"- {fact}" for fact in _facts(spec, head)),
        "## Options",
        _options(spec.options),
        "[All margins](README.md)",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def index(specs: Iterable[Spec]) -> str:
    """The page that lists some margins."""
    rows = [
        [f"[{spec.name}]({spec.name}.md)", spec.summary, _gradients(spec), _kept(spec), *_isotropy(head_of(spec.name))]
        for spec in specs
    ]
    heads = [
        "margin",
        "ψ and what differs",
        "gradients",
        "state",
        *(f"isotropy, λ = {strength:g}" for strength in STRENGTHS),
    ]
    parts = [
        "# Margins",
        MARK,
        "A page for each: definition, facts, options, and a picture of its target and its pull.\n"
        "[losses.md](../losses.md) explains the words.",
        _table(heads, rows),
        _filled(
            "The last columns are weakest over strongest pull of 2,000 directions at θ = .5 rad, where 1 is isotropic. "
            f"All are in one situation: {in_words('`posterior`, or `uniform` where a loss declares no posterior,')}"
        ),
    ]
    return "\n\n".join(parts) + "\n"


def table(specs: Iterable[Spec]) -> str:
    """The table of the page on losses."""
    rows = [
        [f"[`{spec.name}`](margins/{spec.name}.md)", spec.summary, _gradients(spec), _gates(spec), _linked(spec.source)]
        for spec in specs
    ]
    return _table(["margin", "ψ and what differs", "gradients", "gates", "source"], rows)


def _caption(spec: Spec) -> str:
    dotted = ", dotted: straight-through" if has_straight_through(spec) else ""
    more = [in_words(f"`{gate_of(spec)}`")]
    if "update" in spec.traits:
        more.append(f"State: as {BATCHES} batches of {BATCH} samples at θ = .7 ± .2 rad with ‖x‖ = 20 ± 5 leave it.")
    if "learned" in spec.traits:
        more.append("Learned values: as they start.")
    if "subcentres" in spec.traits:
        more.append("The own class's centres coincide, those of the others do not.")
    if depends_on_step(head_of(spec.name)):
        more.append(f"What is drawn or annealed: as at step {STEP:,}.")
    return _filled(
        "Left: ψ(θ). Middle: the pull ∂L/∂θ without the enhancing term (λ = 0) and with it, mean and 5th to 95th "
        f"percentile over directions{dotted}. Right: the pull over the strongest, of 2,000 directions at θ = .5 rad. "
        f"Situation: {' '.join(more)}"
    )


def _filled(text: str) -> str:
    return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False)


def _functions(spec: Spec) -> str:
    found = {name: spec.traits[name] for name in FUNCTIONS if callable(spec.traits.get(name))}
    return "\n".join(f"- {FUNCTIONS[name]}: {' '.join((inspect.getdoc(f) or '').split())}" for name, f in found.items())


def _facts(spec: Spec, head: MarginHead) -> list[str]:
    traits = spec.traits
    loss = (
        "a sum over classes, no softmax" if "cost" in traits else f"softmax; target logit {FACTORS[traits['logits']]}"
    )
    posterior = "declared" if head.margin.has_posterior else "none"
    facts = [
        f"loss: {loss}",
        f"gradients: {_gradients(spec)}",
        f"posterior: {posterior}; gates that it admits: {_gates(spec)}",
        f"other classes: {'reweighed' if 'negative' in traits else 'their cosines as they are'}",
        f"state and learned values: {_kept(spec)}",
        f"pull of the base loss depends on the direction: {'yes' if relative_pulls(head, 0.0)[0] < 1 - 1e-9 else 'no'}",
        f"pull depends on ‖x‖: {'yes' if pull_depends_on_norm(head) else 'no'}",
        f"ψ depends on the training step: {'yes' if depends_on_step(head) else 'no'}",
    ]
    if traits.get("draws"):
        facts.append("draws at random in training, from the stream of the run's seed and the step")
    if "subcentres" in traits:
        facts.append(f"centres a class: option `{traits['subcentres']}`; the nearest counts")
    if "regulariser" in traits:
        facts.append("adds a regulariser to the loss")
    return facts


def _gradients(spec: Spec) -> str:
    if has_straight_through(spec):
        return "true, straight-through"
    return "true" if spec.traits["angular"] else "that of cos θ"


def _gates(spec: Spec) -> str:
    own = [gate for gate in GATES if gate.package is None]
    admitted = [gate.name for gate in own if gate_problem(spec, gate.name) is None]
    return "all" if len(admitted) == len(own) else ", ".join(f"`{name}`" for name in admitted)


def _kept(spec: Spec) -> str:
    margin = head_of(spec.name).margin
    kept = [f"`{name}` {_shape(value)}" for name, value in margin.named_buffers()]
    kept += [f"`{name}` {_shape(value)}, learned" for name, value in margin.named_parameters()]
    return "; ".join(kept) or "none"


def _shape(value: Tensor) -> str:
    sizes = ["C" if n == CLASSES else str(n) for n in value.shape]
    return f"({', '.join(sizes)}{',' if len(sizes) == 1 else ''})"


def _isotropy(head: MarginHead) -> list[str]:
    return [f"{relative_pulls(head, strength)[0]:.2g}" for strength in STRENGTHS]


def _options(options: Sequence[Option]) -> str:
    if not options:
        return "None."
    rows = [[f"`{o.name}`", f"{o.default}", o.unit, o.allowed, o.doc, _linked(o.source)] for o in options]
    return _table(["option", "default", "unit", "allowed", "meaning", "source"], rows)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _linked(source: str) -> str:
    return re.sub(r"arXiv:(\d{4}\.\d{4,5})", r"[\g<0>](https://arxiv.org/abs/\1)", source)
