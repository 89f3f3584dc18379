"""From a suite to runs with ids. Nothing is trained; sources that are not packed yet are packed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.catalog.third_party import packages_of
from bench.data.cache import cache_root
from bench.data.resolve import PreparedData, prepare
from bench.errors import DataError
from bench.store import Store, digest
from bench.suite.schema import Cell
from bench.suite.suite import Suite

SEMANTICS = 2
"""Raised when the same configuration would train to other bits: a golden three-step digest in the tests watches it."""

METRICS = 2
"""Raised when the same scores would give other metrics."""

Tell = Callable[[str, int, int], None]


@dataclass(frozen=True)
class PlannedRun:
    """One training: its id, what it trains (``config``), what it is tested on (``evaluations``), and its data.

    ``processes``: how many train it together.
    """

    run: str
    seed: int
    cell: str
    baseline: str
    axes: dict[str, str]
    config: dict[str, Any]
    evaluations: dict[str, str]
    protocols: dict[str, str]
    options: dict[str, Any]
    processes: int = 1

    def record(self) -> dict[str, Any]:
        """As it stands in ``plan.json``."""
        return {key: getattr(self, key) for key in ("run", "seed", "cell", "baseline", "axes", "config", "evaluations")}

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
        suite = self.suite
        return {
            "schema": 1,
            "suite": suite.name,
            "title": suite.title or suite.name,
            "file": suite.file,
            "digest": suite.digest,
            "command": command,
            "warnings": list(suite.warnings),
            "notes": list(self.notes),
            "axes": list(dict.fromkeys(name for run in self.runs for name in run.axes)),
            "report": suite.report.model_dump(),
            "protocols": list(dict.fromkeys(name for run in self.runs for name in run.protocols)),
            "facts": self.facts,
            "runs": [run.record() for run in self.runs],
        }


def make_plan(suite: Suite, *, cache: Path | None = None, tell: Tell | None = None) -> Plan:
    """Expands a suite. Data that is missing or contradicts itself raises DataError here, before anything trains."""
    cache = cache or cache_root()
    prepared: dict[str, PreparedData] = {}
    runs: dict[tuple[str, str], PlannedRun] = {}
    for item in suite.cells:
        key = item.cell.data.model_dump_json(exclude={"validation"})
        if key not in prepared:
            prepared[key] = prepare(item.cell.data, cache=cache, tell=tell)
        check_sizes(item.cell, prepared[key])
        for seed in suite.seeds:
            run = plan_run(item.cell, seed, prepared[key], item.axes, suite.executor.processes)
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


def training_config(cell: Cell, data: PreparedData, processes: int = 1) -> dict[str, Any]:
    """What a run trains, seed aside: every field that changes its bits, and nothing else.

    ``packages``, with name and version of each, is there only where other packages' parts are used; ``recipe.bn`` and
    ``recipe.replicas``, the number of processes, only where each of several normalises its own part of a batch.
    """
    validation = cell.data.validation
    term = cell.enhancement
    alone = {"bn": cell.recipe.bn, "replicas": processes} if cell.recipe.bn == "per_replica" and processes > 1 else {}
    config = {
        "backbone": cell.backbone.flat,
        "margin": cell.margin.flat,
        "enhancement": None
        if term is None
        else {
            "strength": term.strength,
            "gate": term.gate.flat,
            "profile": term.profile.flat,
            "schedule": term.schedule.model_dump(),
        },
        "terms": sorted((added.flat for added in cell.terms.root), key=lambda term: str(term["name"])),  # a sum
        "classifier": cell.classifier.model_dump(),
        "recipe": {
            **cell.recipe.model_dump(exclude={"augmentation", "bn"}),
            **alone,
            "augmentation": [step.flat for step in cell.recipe.augmentation],
        },
        "pixels": cell.data.pixels,
        "validation": validation.model_dump() if validation.identities else None,
        "train": {"digest": data.train, "images": data.images, "identities": data.identities},
        "semantics": SEMANTICS,
    }
    packages = packages_of(config)
    return {**config, "packages": packages} if packages else config


def plan_run(cell: Cell, seed: int, data: PreparedData, axes: dict[str, str], processes: int = 1) -> PlannedRun:
    """``processes``: how many train the run together; the batch is shared by them."""
    config = training_config(cell, data, processes)
    baseline = training_config(cell.model_copy(update={"enhancement": None}), data, processes)
    options = cell.evaluation.model_dump(exclude={"train_geometry"})
    run = digest({**config, "seed": seed})
    tests = {name: digest([run, found, options, METRICS]) for name, found in data.protocols.items()}
    if cell.evaluation.train_geometry:
        tests["train"] = digest([run, "train", METRICS])
    tested_on = sorted(data.protocols.items())
    return PlannedRun(
        run=run,
        seed=seed,
        cell=digest([config, tested_on, options]),
        baseline=digest([baseline, tested_on, options]),
        axes=axes,
        config={**config, "seed": seed},
        evaluations=tests,
        protocols=data.protocols,
        options=options,
        processes=processes,
    )
