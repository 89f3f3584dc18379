"""Every option that is accepted is read, and changes something."""

from __future__ import annotations

import inspect

import torch
from loss_heads import choices_of

from bench.errors import BenchError
from margin_contract.probe import fresh, steps
from margin_contract.specs import value_names

GIVEN = {
    "values": 1, "start": 0, "learned": 0, "update": 1, "regulariser": 1, "negative": 2, "cost": 2, "positive": 2,
    "prefactor": 0, "posterior": 2, "logit": 2,
}  # fmt: skip
"""How many arguments each function is given before its keywords; ψ is given one."""

BESIDE = {"start": {"classes"}, "learned": {"classes"}, "update": {"log_sum_exp"}}
"""Keywords that are no options."""


def functions(spec):
    """Name, keywords, and the number of other arguments, of all that a margin is made of."""
    for name, function in [("psi", spec.function), *((name, spec.traits.get(name)) for name in GIVEN)]:
        if function is not None:
            parameters = inspect.signature(function).parameters.values()
            assert not any(p.kind is p.VAR_KEYWORD for p in parameters), f"{name} does not name what it reads"
            keywords = {p.name for p in parameters if p.kind is p.KEYWORD_ONLY}
            yield name, keywords, len(parameters) - len(keywords)


def functions_ask_for_what_exists(spec):
    """Options, and what each is given beside them; and every value that ψ is handed is asked for."""
    options = {option.name for option in spec.options}
    for name, keywords, arguments in functions(spec):
        known = options | BESIDE.get(name, set())
        assert arguments == GIVEN.get(name, 1), f"{name} takes {arguments} arguments before its keywords"
        if name != "psi":
            assert keywords <= known, f"{name} asks for {sorted(keywords - known)}"
    asked, handed = next(functions(spec))[1], value_names(spec) if "values" in spec.traits else set()
    assert asked <= options | handed, f"psi asks for {sorted(asked - options - handed)}"
    assert handed <= asked, f"psi does not read {sorted(handed - asked)}"


def read_by_the_head(spec):
    """Options that no function of a margin has to name."""
    head_has_s = spec.traits["logits"] == "cosine" and not {"cost", "scale"} & set(spec.traits)
    return {"margin_gradient", spec.traits.get("subcentres"), "s" if head_has_s else None}


def every_option_is_named(spec):
    """By one of the margin's functions, unless the head reads it; and every scaled cosine has an ``s``."""
    named = set().union(*(keywords for _, keywords, _ in functions(spec))) | read_by_the_head(spec)
    for option in spec.options:
        assert option.name in named, f"{option.name} is accepted, but nothing names it"
    assert "s" not in read_by_the_head(spec) or any(option.name == "s" for option in spec.options), "no s"


def others(option, value):
    """Other allowed values of an option."""
    if option.choices:
        tried = option.choices
    elif option.type is bool:
        tried = (not value,)
    else:
        at = 1.0 if value is None else value
        bounds = (option.minimum, option.maximum)
        tried = (at / 2, at * 1.25, at + 1, at - 1, at * 3, *(bound for bound in bounds if bound is not None))
    for other in tried:
        try:
            checked = option.check(other)
        except ValueError:
            continue
        if checked != value:
            yield checked


def differs(one, other):
    """Whether two lists of steps tell more apart than rounding."""
    return any(
        a.keys() != b.keys()
        or any(a[n].shape != b[n].shape or not torch.allclose(a[n], b[n], rtol=1e-9, atol=1e-12) for n in a)
        for a, b in zip(one, other, strict=True)
    )


def every_option_changes_the_loss(spec):
    """Somewhere: in a step's loss, gradients or state, for some choice of the others; each choice, if it has choices.

    Values that go with no other value of the rest are passed over.
    """
    blocks = choices_of(spec)
    known = [steps(fresh(block)) for block in blocks]

    def matters(option, value=None):
        for block, found in zip(blocks, known, strict=True):
            for other in [value] if value is not None else others(option, block[option.name]):
                try:
                    changed = steps(fresh({**block, option.name: other}))
                except BenchError:
                    continue
                if other != block[option.name] and differs(found, changed):
                    return True
        return False

    for option in spec.options:
        for choice in option.choices or (None,):
            of = option.name if choice is None else f"{option.name}: {choice}"
            assert matters(option, choice), f"{of} changes nothing"
