"""From a suite to runs with ids. Nothing is trained; sources that are not packed yet are packed."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from bench.catalog.third_party import packages_of
from bench.collecting import nothing_to_collect
from bench.data.cache import cache_root
from bench.data.resolve import PreparedData, prepare
from bench.errors import DataError
from bench.records import canonical
from bench.scheduling.ids import Once, Seeded, digest_of_text, text_of, texts_of
from bench.store import Store
from bench.suite.base import Block, Named
from bench.suite.data_block import Data
from bench.suite.schema import Cell, Enhancement, Evaluation, Recipe, Terms
from bench.suite.suite import Suite

SEMANTICS = 2
"""Raised when the same configuration would train to other bits: a golden three-step digest in the tests watches it."""

METRICS = 2
"""Raised when the same scores would give other metrics."""

NEW_IN_RECIPE = ("micro_batch", "ema")
"""Fields that are left out where they are null, so that runs trained before there were such fields keep their ids."""

Tell = Callable[[str, int, int], None]


@dataclass(frozen=True)
class PlannedCell:
    """What all runs of a cell share. ``config``: what is trained, seed aside. ``processes``: how many train one."""

    cell: str
    baseline: str
    axes: dict[str, str]
    config: dict[str, Any]
    protocols: dict[str, str]
    options: dict[str, Any]
    processes: int


@dataclass(frozen=True)
class CellPlan:
    """A cell, and how the ids of its runs follow from their seeds.

    ``tests``: for each protocol, what follows the run's id in the canonical text whose digest is the evaluation's id.
    """

    cell: PlannedCell
    ids: Seeded
    tests: dict[str, str]

    def run(self, seed: int) -> PlannedRun:
        run = self.ids.digest(seed)
        evaluations = {name: digest_of_text('["', run, rest) for name, rest in self.tests.items()}
        return PlannedRun(run, seed, self.cell, evaluations)


@dataclass(frozen=True)
class PlannedRun:
    """One training: its id, what it trains (``config``), what it is tested on (``evaluations``), and its data."""

    run: str
    seed: int
    shared: PlannedCell
    evaluations: dict[str, str]

    @property
    def cell(self) -> str:
        return self.shared.cell

    @property
    def baseline(self) -> str:
        return self.shared.baseline

    @property
    def axes(self) -> dict[str, str]:
        return self.shared.axes

    @property
    def config(self) -> dict[str, Any]:
        return {**self.shared.config, "seed": self.seed}

    @property
    def protocols(self) -> dict[str, str]:
        return self.shared.protocols

    @property
    def options(self) -> dict[str, Any]:
        return self.shared.options

    @property
    def processes(self) -> int:
        return self.shared.processes

    def record(self) -> dict[str, Any]:
        """As it stands in ``plan.json``."""
        shared = {field.name: getattr(self, field.name) for field in fields(PlannedCell)}
        return {"run": self.run, "seed": self.seed, "evaluations": self.evaluations, **shared}

    @staticmethod
    def from_record(record: Mapping[str, Any]) -> PlannedRun | None:
        """The run that stands in a ``plan.json``; None for one of an older version, which lacks what jobs need."""
        names = [field.name for field in fields(PlannedCell)]
        if not record.keys() >= set(names):
            return None
        config = {key: value for key, value in record["config"].items() if key != "seed"}
        shared = PlannedCell(**{**{name: record[name] for name in names}, "config": config})
        return PlannedRun(record["run"], record["seed"], shared, record["evaluations"])

    def state(self, store: Store) -> str:
        """See ``Store.state``."""
        return store.state(self.run, self.evaluations.values())


@dataclass(frozen=True)
class Plan:
    """All runs of a suite, each once, in grid order with the seeds innermost.

    ``notes``: what the suite allows of its data, or what could not be checked, in sentences for the report.
    """

    suite: Suite
    runs: tuple[PlannedRun, ...]
    facts: dict[str, Any]
    notes: tuple[str, ...] = ()

    def record(self, command: str) -> dict[str, Any]:
        """As it stands in ``plan.json``; ``source`` is the suite with its overrides, as JSON, whose digest it has."""
        suite = self.suite
        return {
            "schema": 1,
            "suite": suite.name,
            "title": suite.title or suite.name,
            "file": suite.file,
            "digest": suite.digest,
            "source": suite.text,
            "command": command,
            "warnings": list(suite.warnings),
            "notes": list(self.notes),
            "axes": list(dict.fromkeys(name for run in self.runs for name in run.axes)),
            "report": suite.report.model_dump(),
            "executor": suite.executor.model_dump(),
            "protocols": list(dict.fromkeys(name for run in self.runs for name in run.protocols)),
            "facts": self.facts,
            "runs": [run.record() for run in self.runs],
        }


def make_plan(suite: Suite, *, cache: Path | None = None, tell: Tell | None = None) -> Plan:
    """Expands a suite. Data that is missing or contradicts itself raises DataError here, before anything trains."""
    cache = cache or cache_root()
    prepared: dict[str, PreparedData] = {}
    once, processes = Once(), suite.executor.processes
    for item in suite.cells:
        key = once(_data_key, item.cell.data)
        if key not in prepared:
            prepared[key] = prepare(item.cell.data, cache=cache, tell=tell)
        check_sizes(item.cell, prepared[key])
    runs: dict[tuple[str, str], PlannedRun] = {}
    with nothing_to_collect():
        for item in suite.cells:
            planned = plan_cell(item.cell, prepared[once(_data_key, item.cell.data)], item.axes, processes, once)
            for seed in suite.seeds:
                run = planned.run(seed)
                runs.setdefault((run.run, run.cell), run)
    facts = {
        data.train[:12]: {"images": data.images, "identities": data.identities, "protocols": data.facts}
        for data in prepared.values()
    }
    notes = dict.fromkeys(note for data in prepared.values() for note in data.notes)
    return Plan(suite, tuple(runs.values()), facts, tuple(notes))


def check_sizes(cell: Cell, data: PreparedData) -> None:
    """Raises DataError for what no training on this much data could do, before anything trains."""
    held = round(data.identities * cell.data.validation.identities)
    if cell.data.validation.identities and not 2 <= held <= data.identities - 2:
        raise DataError(
            f"data.validation.identities {cell.data.validation.identities:g} holds out {held} of {data.identities} "
            "training identities; both parts need at least 2"
        )
    if cell.recipe.batch > data.images:
        raise DataError(f"recipe.batch {cell.recipe.batch} is larger than the training set ({data.images} images)")


def training_config(cell: Cell, data: PreparedData, processes: int = 1, once: Once | None = None) -> dict[str, Any]:
    """What a run trains, seed aside: every field that changes its bits, and nothing else.

    ``packages``, with name and version of each, is there only where other packages' parts are used; ``recipe.bn`` and
    ``recipe.replicas``, the number of processes, only where each of several normalises its own part of a batch.
    ``once`` shares the parts among cells with the same blocks.
    """
    once = once or Once()
    config = {
        "backbone": once(_flat, cell.backbone),
        "margin": once(_flat, cell.margin),
        "enhancement": None if cell.enhancement is None else once(_enhancement, cell.enhancement),
        "terms": once(_terms, cell.terms),
        "classifier": once(_dump, cell.classifier),
        "recipe": once(_recipe_of(processes), cell.recipe),
        "pixels": cell.data.pixels,
        "validation": once(_dump, cell.data.validation) if cell.data.validation.identities else None,
        "train": once(_train, data),
        "semantics": SEMANTICS,
    }
    packages = packages_of(config)
    return {**config, "packages": packages} if packages else config


def _data_key(block: Data) -> str:
    return block.model_dump_json(exclude={"validation"})


def _flat(block: Named) -> dict[str, Any]:
    return block.flat


def _dump(block: Block) -> dict[str, Any]:
    return block.model_dump()


def _enhancement(term: Enhancement) -> dict[str, Any]:
    return {
        "strength": term.strength,
        "gate": term.gate.flat,
        "profile": term.profile.flat,
        "schedule": term.schedule.model_dump(),
    }


def _terms(terms: Terms) -> list[dict[str, Any]]:
    return sorted((added.flat for added in terms.root), key=lambda term: str(term["name"]))  # a sum


@functools.cache
def _recipe_of(processes: int) -> Callable[[Recipe], dict[str, Any]]:
    """What is recorded of the recipe of a run of so many processes: one function for each number, for ``Once``."""

    def record(recipe: Recipe) -> dict[str, Any]:
        unused = {name for name in NEW_IN_RECIPE if getattr(recipe, name) is None}
        apart = recipe.bn == "per_replica" and processes > 1
        return {
            **recipe.model_dump(exclude={"augmentation", "bn", *unused}),
            **({"bn": recipe.bn, "replicas": processes} if apart else {}),
            "augmentation": [step.flat for step in recipe.augmentation],
        }

    return record


def _train(data: PreparedData) -> dict[str, Any]:
    return {"digest": data.train, "images": data.images, "identities": data.identities}


def _protocol_texts(data: PreparedData) -> dict[str, str]:
    return {name: canonical(found) for name, found in data.protocols.items()}


def _tested_text(data: PreparedData) -> str:
    return canonical(sorted(data.protocols.items()))


def _options(evaluation: Evaluation) -> dict[str, Any]:
    return evaluation.model_dump(exclude={"train_geometry"})


def plan_cell(cell: Cell, data: PreparedData, axes: dict[str, str], processes: int, once: Once) -> CellPlan:
    config = training_config(cell, data, processes, once)
    texts = texts_of(config, once)
    baseline = {**texts, "enhancement": canonical(None)}
    if "packages" in config:
        base = cell.model_copy(update={"enhancement": None})
        baseline = texts_of(training_config(base, data, processes, once), once)
    options = once(_options, cell.evaluation)
    asked = once(canonical, options)
    tests = {name: f'",{found},{asked},{METRICS}]' for name, found in once(_protocol_texts, data).items()}
    if cell.evaluation.train_geometry:
        tests["train"] = f'","train",{METRICS}]'
    tested = f",{once(_tested_text, data)},{asked}]"
    planned = PlannedCell(
        cell=digest_of_text("[", text_of(texts), tested),
        baseline=digest_of_text("[", text_of(baseline), tested),
        axes=axes,
        config=config,
        protocols=data.protocols,
        options=options,
        processes=processes,
    )
    return CellPlan(planned, Seeded(texts), tests)


def plan_run(cell: Cell, seed: int, data: PreparedData, axes: dict[str, str], processes: int = 1) -> PlannedRun:
    """One run by itself, as `make_plan` plans it. ``processes``: how many train it together; they share its batch."""
    return plan_cell(cell, data, axes, processes, Once()).run(seed)
