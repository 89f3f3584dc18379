"""The registries. Importing this imports no torch; neither does reading any spec."""

from __future__ import annotations

from bench.catalog.spec import Option, Registry, Spec

MARGINS = Registry(
    "margin",
    "bench.losses.margins",
    """``function(theta, *, options) -> psi``: theta (B,) float, radians, in (0, π); psi (B,), non-increasing.

    Traits: ``angular`` (has two margin gradients), ``logits`` ("cosine": s·cos; "inner": x·W; "norm": ‖x‖·cos). The
    rest is for margins that need it; each function names as keywords those options that it reads:
    ``values(batch: MarginInput) -> {name: (B,)}``: keyword arguments of ψ that differ from sample to sample;
    ``start(*, classes) -> {name: tensor}``: buffers, and ``learned``: likewise, but trained;
    ``update(batch, *, log_sum_exp: LogSumExp)``: lets buffers follow a training batch, in place, before its loss;
    ``draws``: whether ``values`` draws at random, from the step's own stream;
    ``check(**options) -> [(option, mistake)]``: what no single option shows;
    ``flat() -> radians``: the angle from which on ψ is constant, so that it does not pull;
    ``scale``: the name of the buffer that holds s; ``subcentres``: the option that holds their number;
    ``regulariser(batch) -> (B,)``: added to the loss;
    ``negative(cosines (r, n), target: Target) -> (r, n)``: what the other classes' cosines become, elementwise.
    A loss that is no softmax but a sum over classes declares ``cost(logits (r, n), state) -> (r, n)`` for the other
    classes, ``positive(psi, state) -> (B,)`` for the target, ``prefactor() -> number`` (s_i), and, if the target has
    them, ``posterior(psi, state) -> (B,)`` and ``logit(psi, state) -> (B,)``; s is then an option like any other.""",
)
GATES = Registry(
    "gate",
    "bench.losses.gates",
    "``function(batch: GateInput, **options) -> (B,)``: where the pull is enhanced.",
)
PROFILES = Registry(
    "profile",
    "bench.losses.profiles",
    "``function(theta, psi) -> (B,)``: φ, how the added pull grows with the angle.",
)
TERMS = Registry(
    "term",
    "bench.losses.terms",
    """``function(batch: TermInput, *, options) -> ()``: added to the loss with a weight. Traits: ``place`` ("between"
    classes or "within" them), ``weight`` (the usual one), ``start(classes, embedding, generator) -> {name: buffer}``,
    ``update(batch, *, options)``: lets buffers follow a training batch, in place, after the value.""",
)
BACKBONES = Registry(
    "backbone",
    "bench.backbones.families",
    "``function(*, pixels, embedding, **options) -> nn.Module`` mapping (B,3,pixels,pixels) float to (B, embedding).",
)
FORMATS = Registry(
    "format",
    "bench.data.formats",
    """``function(root: Path, **options) -> ImageList | Protocol``. Traits: ``provides``: "training" or "protocol";
    ``people``, if lists alone tell: ``(root, **all options) -> names`` of everybody in the data set; ``census``:
    ``(root) -> counts`` of the whole data set by name, to compare with facts.""",
)
AUGMENTATIONS = Registry(
    "augmentation",
    "bench.training.augmentations",
    """``function(images (n,3,H,W) float in [-1, 1], draws: Draws, **options) -> images``, on the training device. What
    it draws comes from ``draws.uniform(k)`` and ``draws.integers(low, high, k)``, (k, n) on that device: where
    processes share a batch, n are the process's own images, and they get the numbers that one process would give.""",
)
EXECUTORS = Registry(
    "executor",
    "bench.scheduling.executors",
    "``function(setting: Setting, *, options) -> Executor``: where runs go; which changes none of their bits.",
)
SAMPLERS = Registry(
    "sampler",
    "bench.search.samplers",
    """``function(asked: Asked, *, options) -> optuna sampler``. Traits: ``choices`` and ``conditions``: whether it can
    draw a field with choices, and one with `when`; ``finite``: whether every field must have finitely many values;
    ``objectives``: "one", "several" or "any" number of them.""",
)
PRUNERS = Registry(
    "pruner",
    "bench.search.pruners",
    """``function(trials: Trained, *, options) -> optuna pruner``. Trait ``over``: of what the scores are that it
    compares: "epochs", "seeds", or "" where it compares none.""",
)
FIGURES = Registry(
    "figure",
    "bench.report.figures",
    """``function(results: ReportData) -> Drawing | None``. Trait ``reads``: what it needs beside rows and plan:
    patterns of measured columns ("*.accuracy"), "events", "evaluations" (records and arrays), "search". It sees no
    other columns, and is drawn again only where one of these has changed; without the trait it sees all.""",
)

REGISTRIES = {
    r.kind: r
    for r in (
        MARGINS, GATES, PROFILES, TERMS, BACKBONES, FORMATS, AUGMENTATIONS, EXECUTORS, SAMPLERS, PRUNERS, FIGURES,
    )
}  # fmt: skip

__all__ = [
    "AUGMENTATIONS",
    "BACKBONES",
    "EXECUTORS",
    "FIGURES",
    "FORMATS",
    "GATES",
    "MARGINS",
    "PROFILES",
    "PRUNERS",
    "REGISTRIES",
    "SAMPLERS",
    "TERMS",
    "Option",
    "Registry",
    "Spec",
]  # fmt: skip
