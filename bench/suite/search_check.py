"""What is wrong with a search block: fields that no cell has, values it may not take, and what does not go together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import islice

from bench.catalog import PRUNERS, SAMPLERS
from bench.errors import unknown_name
from bench.suite.blocks import CELL_BLOCKS
from bench.suite.grid import Axis, Parts
from bench.suite.named import Wrong
from bench.suite.search_block import SearchBlock, Searched
from bench.suite.source import Location
from bench.suite.space import Blocks, ends, in_order, points, stepped, within

FIXED = ("data", "evaluation")
"""Blocks that decide what a score means: scores of configurations that differ in them cannot be compared."""
MOST_CHECKED = 500
"""Of the combinations of choices of a space, how many are tried out when a suite is loaded."""


def check_search(
    block: SearchBlock, cells: Sequence[Blocks], axes: Sequence[str], seeds: Sequence[int],
    check: Callable[[Parts, Mapping[Axis, int]], object], wrong: Wrong,
) -> None:  # fmt: skip
    """Tells every mistake of a search of these cells. ``axes``: what the grid varies; ``check``: checks one cell."""
    searchable = [name for name in CELL_BLOCKS if name not in FIXED]
    known = True
    for name, searched in block.fields.items():
        at: Location = ("search", "space", name)
        if (first := name.split(".")[0]) not in searchable:
            problem = "decides what a score means, and cannot be searched" if first in FIXED else None
            wrong(at, problem or unknown_name("field of a cell", first, searchable))
            known = False
        for axis in (axis for axis in axes if within(axis, name)):
            wrong(at, f"{axis} is an axis of the grid; search other fields")
        for key in searched.when or ():
            if (first := key.split(".")[0]) not in CELL_BLOCKS:
                wrong((*at, "when", key), unknown_name("field of a cell", first, CELL_BLOCKS))
            elif key in block.fields and block.fields[key].choices is None:
                wrong((*at, "when", key), "must be a field with choices: a range has no values to name")
    for at, problem in rules(block, block.seeds or seeds[:1]):
        wrong(at, problem)
    try:
        fields = in_order(block.fields)
    except ValueError as error:
        wrong(("search", "space"), str(error))
        return
    if known and cells:
        _check_values(block, fields, cells, check, wrong)


def _check_values(
    block: SearchBlock, fields: dict[str, Searched], cells: Sequence[Blocks],
    check: Callable[[Parts, Mapping[Axis, int]], object], wrong: Wrong,
) -> None:  # fmt: skip
    """Every choice with every other one, all ranges once at their low and once at their high ends, must be a cell."""
    axes = {name: _axis(block, name, searched) for name, searched in fields.items()}
    never = dict.fromkeys(fields)
    for blocks in cells:
        for end in (0, -1):
            found = points(fields, blocks, lambda searched, end=end: searched.choices or [ends(searched)[end]])  # type: ignore[misc]
            for point in islice(found, MOST_CHECKED):
                parts = Parts(blocks, [axes[name] for name in point])
                check(parts, {axes[name]: axes[name].values.index(value) for name, value in point.items()})
                for name in point:
                    never.pop(name, None)
    for name in never:
        wrong(("search", "space", name, "when"), "holds in no configuration, so this field is never searched")


def _axis(block: SearchBlock, name: str, searched: Searched) -> Axis:
    at: Location = ("search", "space", name) if block.space else ("search",)
    values = tuple(ends(searched))
    places: list[Location] = [(*at, "low"), (*at, "high")]
    if searched.choices is not None:
        places = [(*at, "choices", i) for i in range(len(values))]
    return Axis(tuple(name.split(".")), values, at, tuple(places))


def rules(block: SearchBlock, seeds: Sequence[int]) -> list[tuple[Location, str]]:
    """What does not go together in a search of which each trial has these ``seeds``."""
    found = [*_sampler_rules(block), *_pruner_rules(block, seeds)]
    if stale := sorted(set(seeds) & set(block.retrain_seeds)):
        found.append((("search", "retrain_seeds"), f"must be fresh, but trials have seed {stale[0]}"))
    return found


def _sampler_rules(block: SearchBlock) -> list[tuple[Location, str]]:
    if block.sampler.name not in SAMPLERS:
        return []  # told already
    name, traits = block.sampler.name, SAMPLERS.get(block.sampler.name).traits
    at, found = ("search", "sampler"), list[tuple[Location, str]]()
    for field, searched in block.fields.items():
        if searched.choices is not None and not traits["choices"]:
            found.append((at, f"{name} draws numbers only, but {field} has choices; take tpe or random"))
        if searched.when is not None and not traits["conditions"]:
            found.append((at, f"{name} needs every field in every trial, but {field} has `when`; take tpe or random"))
        if traits["finite"] and stepped(searched) is None:
            found.append((("search", "space", field), f"{name} needs choices, or a step: a range has no end of values"))
    if len(block.objectives) == 1 and traits["objectives"] == "several":
        found.append((at, f"{name} is for several objectives, found {block.objectives[0]} alone; take tpe"))
    if len(block.objectives) > 1 and traits["objectives"] == "one":
        found.append((at, f"{name} seeks one objective, found {', '.join(block.objectives)}; take nsga2 or tpe"))
    return found


def _pruner_rules(block: SearchBlock, seeds: Sequence[int]) -> list[tuple[Location, str]]:
    if block.pruner is None or block.pruner.name not in PRUNERS:
        return []
    name, over = block.pruner.name, PRUNERS.get(block.pruner.name).traits["over"]
    at, found = ("search", "pruner"), list[tuple[Location, str]]()
    if over and len(block.objectives) > 1:
        found.append((at, f"{name} compares one objective, found {', '.join(block.objectives)}; take none"))
    if over and block.objectives == ["cost"]:
        found.append((at, f"{name} compares scores of epochs, and cost is known before the first; take none"))
    if over and block.objectives == ["isotropy"]:
        found.append((at, f"{name} compares accuracies, but isotropy is sought; take none"))
    if over != "epochs" and "pruner_warmup_epochs" in block.model_fields_set:
        found.append((("search", "pruner_warmup_epochs"), f"is not read: the pruner is {name}"))
    if over == "seeds" and 0.5 ** (len(seeds) - 1) >= (level := float(block.pruner.options["p_threshold"])):
        need = next(n for n in range(2, 100) if 0.5 ** (n - 1) < level)
        problem = f"{name} at p < {level:g} cannot stop a trial before its last seed with {len(seeds)} seeds"
        found.append((at, f"{problem}; give search.seeds at least {need}, or take median"))
    return found
