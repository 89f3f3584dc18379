"""What a margin says of itself: complete, in the registry's own words, and true."""

from __future__ import annotations

import inspect
import re

import torch
from loss_heads import choices_of

from bench.catalog import MARGINS
from margin_contract.probe import batch, fresh, steps

KNOWN = set(re.findall(r"``(\w+)", MARGINS.doc)) - {"function"}
UNITS = r"^(1/)?(radians?|a cosine|steps|epochs)(, (radians|a cosine))*$"


def everything_is_stated(spec):
    """Summary, source and docstring; of every option what it is, of every number its source, and radians for angles."""
    assert spec.summary, "no summary"
    assert spec.source, "no source"
    assert inspect.getdoc(spec.function), "no docstring"
    for option in spec.options:
        assert option.doc, f"{option.name}: no doc"
        number = option.type in (int, float)
        assert option.source or not number, f"{option.name}: no source for {option.default}"
        assert not option.unit or re.match(UNITS, option.unit), f"{option.name}: unit {option.unit!r}"
        is_angle = number and re.search(r"\b(angle|angular)\b", option.doc) and "factor" not in option.doc
        assert not is_angle or "radian" in option.unit, f"{option.name}: an angle without its unit, radians"
        assert option.check(option.default) == option.default


def traits_are_those_of_the_registry(spec):
    """No trait that nobody reads, and those that belong together are together."""
    traits = spec.traits
    assert set(traits) <= KNOWN, f"unknown traits {sorted(set(traits) - KNOWN)}"
    assert type(traits["angular"]) is bool
    assert traits["logits"] in ("cosine", "inner", "norm")
    sums = {"cost", "positive", "prefactor"} & set(traits)
    assert len(sums) in (0, 3), f"of cost, positive and prefactor only {sorted(sums)}"
    assert sums or not {"posterior", "logit"} & set(traits), "posterior and logit belong to a cost"
    assert "values" in traits or not traits.get("draws"), "draws without values"
    if "scale" in traits:
        assert traits["scale"] in fresh(choices_of(spec)[0]).margin._buffers, "scale names no buffer"
    if "subcentres" in traits:
        (option,) = [option for option in spec.options if option.name == traits["subcentres"]]
        assert option.type is int
        assert option.minimum is not None
        assert option.minimum >= 1


def margin_gradient_goes_with_angular(spec):
    """Two gradients exactly where ψ's slope is not that of cos θ; and what is called angular has such a slope."""
    names = {option.name: option for option in spec.options}
    assert spec.traits["angular"] == ("margin_gradient" in names)
    if spec.traits["angular"]:
        assert names["margin_gradient"].choices == ("true", "straight_through")
        assert names["margin_gradient"].default == "true"


def state_that_is_declared_is_used(spec):
    """In some choice of options every buffer of a margin with ``update`` moves, and every learned value is pulled."""
    still, unpulled = None, None
    for block in choices_of(spec):
        real = fresh(block)
        before = {name: value.clone() for name, value in real.margin.named_buffers()}
        found = steps(real)
        same = {name for name, value in real.margin.named_buffers() if torch.equal(value, before[name])}
        still = same if still is None else still & same
        idle = {
            name for name, value in real.margin.named_parameters()
            if not any(step[f"gradient of margin.{name}"].any() for step in found)
        }  # fmt: skip
        unpulled = idle if unpulled is None else unpulled & idle
    if "update" in spec.traits:
        assert not still, f"buffers that never move: {sorted(still)}"
    assert not unpulled, f"learned values without gradient: {sorted(unpulled)}"
    for name in ("start", "learned"):
        declared = real.margin._buffers if name == "start" else real.margin._parameters
        assert bool(declared) == (name in spec.traits)


def value_names(spec):
    """The names under which a margin hands ψ what differs from sample to sample; each must be (B,)."""
    from margin_contract.numerics import values_of

    found = set()
    for block in choices_of(spec):
        real = fresh(block)
        x, labels = batch(real)
        values = values_of(real, x, labels, 0)
        assert all(value.shape == labels.shape for value in values.values())
        found |= set(values)
    return found
