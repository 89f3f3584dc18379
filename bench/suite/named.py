"""Named things of a block (margins, formats, …) checked against the catalog, their options filled in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from bench.catalog import (
    AUGMENTATIONS,
    BACKBONES,
    EXECUTORS,
    FORMATS,
    GATES,
    MARGINS,
    PROFILES,
    PRUNERS,
    SAMPLERS,
    TERMS,
    Registry,
)  # fmt: skip
from bench.catalog.facts import FACTS
from bench.catalog.rules import gate_problem, term_problem
from bench.errors import UnknownNameError, unknown_name
from bench.suite.base import Named
from bench.suite.data_block import Data, Source
from bench.suite.schema import Cell, Enhancement, ExecutorBlock, Recipe, Term, Terms
from bench.suite.search_block import SearchBlock
from bench.suite.source import Location

S = TypeVar("S", bound=Source)
Wrong = Callable[[Location, str], None]
"""Told every mistake: where it stands in the cell, and what is wrong."""


def resolve(name: str, block: Any, wrong: Wrong) -> Any:
    """The block called ``name`` with the options of its named things; what is wrong in it is told, not raised."""
    match block:
        case Named() if name == "backbone":
            return _named(BACKBONES, block, (name,), wrong)
        case Named() if name == "margin":
            return _named(MARGINS, block, (name,), wrong)
        case Enhancement():
            gate = _named(GATES, block.gate, (name, "gate"), wrong)
            profile = _named(PROFILES, block.profile, (name, "profile"), wrong)
            return block.model_copy(update={"gate": gate, "profile": profile})
        case Terms():
            return Terms([_term(term, (name, i), wrong) for i, term in enumerate(block.root)])
        case Recipe():
            steps = [
                _named(AUGMENTATIONS, step, (name, "augmentation", i), wrong)
                for i, step in enumerate(block.augmentation)
            ]
            return block.model_copy(update={"augmentation": steps})
        case Data():
            return _data(block, wrong)
        case ExecutorBlock():
            return _executor(block, wrong)
        case SearchBlock():
            usual = Named(name="median" if block.objectives == ["accuracy"] else "none")
            sampler = _named(SAMPLERS, block.sampler, (name, "sampler"), wrong)
            pruner = _named(PRUNERS, block.pruner or usual, (name, "pruner"), wrong)
            return block.model_copy(update={"sampler": sampler, "pruner": pruner})
        case _:
            return block


def _named(registry: Registry, block: Named, at: Location, wrong: Wrong) -> Named:
    try:
        spec = registry.get(block.name)
    except UnknownNameError as error:
        wrong((*at, "name"), str(error))
        return block
    options, mistakes = spec.resolve(block.options)
    for key, problem in mistakes:
        wrong((*at, key), problem)
    return Named(name=block.name, **options)


def _term(block: Term, at: Location, wrong: Wrong) -> Term:
    named = _named(TERMS, block, at, wrong)
    usual = TERMS.get(block.name).traits["weight"] if block.name in TERMS else None
    return Term(name=block.name, weight=usual if block.weight is None else block.weight, **named.options)


def _executor(block: ExecutorBlock, wrong: Wrong) -> ExecutorBlock:
    if block.name not in EXECUTORS:
        wrong(("executor", "name"), unknown_name("executor", block.name, EXECUTORS.names()))
        return block
    spec = EXECUTORS.get(block.name)
    strange = [key for key in block.options if key not in spec.defaults]
    for key in strange:
        allowed = [*ExecutorBlock.model_fields, *spec.defaults]
        wrong(("executor", key), unknown_name(f"field of executor {block.name!r}:", key, allowed))
    options, mistakes = spec.resolve({key: value for key, value in block.options.items() if key not in strange})
    for key, problem in mistakes:
        wrong(("executor", key), problem)
    return block.model_copy(update=options)


def loss_problems(cell: Cell) -> list[tuple[Location, str]]:
    """What does not go together in a cell's loss, and where it stands."""
    margin, term = MARGINS.get(cell.margin.name), cell.enhancement
    found: list[tuple[Location, str]] = []
    if term is not None and (problem := gate_problem(margin, term.gate.name)) is not None:
        found.append((("enhancement", "gate"), problem))
    if term is not None and term.schedule.name == "after_epoch" and term.schedule.epoch >= cell.recipe.epochs:
        problem = f"must be below recipe.epochs ({cell.recipe.epochs}), found {term.schedule.epoch}"
        found.append((("enhancement", "schedule", "epoch"), problem))
    if term is not None and term.schedule.name == "linear" and term.schedule.epochs > cell.recipe.epochs:
        problem = f"must be at most recipe.epochs ({cell.recipe.epochs}), or λ is never reached"
        found.append((("enhancement", "schedule", "epochs"), f"{problem}, found {term.schedule.epochs:g}"))
    for i, added in enumerate(cell.terms.root):
        if (problem := term_problem(margin, cell.margin.options, TERMS.get(added.name))) is not None:
            found.append((("terms", i), problem))
    return found


def _data(block: Data, wrong: Wrong) -> Data:
    train = block.train
    if not train.union:
        train = _source(train, "training", ("data", "train"), wrong)

    def all_of(many: list[S], provides: str, *at: str) -> list[S]:
        return [_source(one, provides, ("data", *at, i), wrong) for i, one in enumerate(many)]

    left_out = all_of(train.exclude_identities_of, "", "train", "exclude_identities_of")
    train = train.model_copy(
        update={"union": all_of(train.union, "training", "train", "union"), "exclude_identities_of": left_out}
    )
    protocols = all_of(block.protocols, "protocol", "protocols")
    return block.model_copy(update={"train": train, "protocols": protocols})


def _source(block: S, provides: str, at: Location, wrong: Wrong) -> S:
    """A source with its format's options filled in; ``provides``: "training", "protocol" or "" for either."""
    known = [spec.name for spec in FORMATS if spec.traits.get("provides") == provides or not provides]
    if block.format not in known:
        problem = unknown_name(f"{provides} format".strip(), block.format, known)
        if block.format in FORMATS:
            given = FORMATS.get(block.format).traits.get("provides")
            problem = f"format {block.format!r} gives a {given} source; a {provides} one is wanted: {', '.join(known)}"
        wrong((*at, "format"), problem)
        return block
    spec, fields = FORMATS.get(block.format), type(block).model_fields
    strange = [key for key in block.format_options if key not in spec.defaults]
    for key in strange:
        wrong((*at, key), unknown_name(f"field of format {block.format!r}:", key, [*fields, *spec.defaults]))
    options, mistakes = spec.resolve({k: v for k, v in block.format_options.items() if k not in strange})
    for key, problem in mistakes:
        wrong((*at, key), problem)
    if block.facts is not None and block.facts not in FACTS:
        wrong((*at, "facts"), unknown_name("facts", block.facts, FACTS))
    return block.model_copy(update=options)
