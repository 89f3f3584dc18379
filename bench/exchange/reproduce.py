"""Training again what a file recorded, into another results folder, and holding the numbers against each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bench.errors import DataError
from bench.exchange.recorded import Recorded, Recording
from bench.exchange.same_ids import id_problems
from bench.scheduling.classes import differences
from bench.scheduling.control import check_packed
from bench.scheduling.execute import Executor
from bench.scheduling.jobs import Event
from bench.scheduling.suite_run import Begin, do_runs, names_of
from bench.scheduling.verify import TOLERANCE
from bench.store import Store
from bench.suite.schema import ExecutorBlock


@dataclass(frozen=True)
class Checked:
    """A run, and what stands against training it here: its ids (``problems``), its data (``missing``)."""

    recorded: Recorded
    problems: tuple[str, ...]
    missing: str

    @property
    def name(self) -> str:
        return _name(self.recorded)


@dataclass(frozen=True)
class Reproduced:
    """``differs``: how the execution classes do, "" where they are one and bits must be equal; ``values``: how many
    were compared; ``largest`` difference, as a share of the larger of 1 and its size; ``wrong``: what is beyond
    that which is allowed.
    """

    run: str
    name: str
    differs: str
    values: int
    largest: float
    wrong: tuple[str, ...]


def check(recording: Recording, cache: Path) -> list[Checked]:
    """Whether each run, computed now from its recorded configuration, has the recorded ids, and its data is here."""
    return [Checked(each, tuple(id_problems(each.run)), _missing(each, cache)) for each in recording.runs]


def train(
    recording: Recording, store: Store, *, executor: Executor | None = None,
    on_event: Callable[[Event], None] = lambda event: None, begin: Begin = lambda names, done, cancelled: None,
) -> dict[str, str]:  # fmt: skip
    """Trains what is not done yet in ``store``, where the plan is kept too; run id → reason of those that failed."""
    if recording.plan is not None and recording.plan["suite"] not in store.suite_names():
        store.write_plan(recording.plan["suite"], recording.plan)
    runs = [each.run for each in recording.runs]
    todo = [run for run in runs if run.state(store) != "done"]
    begin(names_of(todo), len(runs) - len(todo), 0)
    failed: dict[str, str] = {}
    for processes in sorted({run.processes for run in todo}):
        together = [run for run in todo if run.processes == processes]
        block = ExecutorBlock(device=device_of(recording.runs), processes=processes)
        failed |= do_runs(together, store, block, executor=executor, on_event=on_event)
    return failed


def compare(recording: Recording, store: Store, tolerance: float = TOLERANCE) -> list[Reproduced]:
    """Each trained run against what is recorded of it: equal to the bit within a class, else within ``tolerance``."""
    return [found for each in recording.runs if (found := _compared(each, store, tolerance)) is not None]


def _compared(each: Recorded, store: Store, tolerance: float) -> Reproduced | None:
    run, result = each.run, store.result(each.run.run)
    if result is None:
        return None
    differs = differences(each.execution_class or {}, result["execution_class"]) if each.execution_class else ""
    exact = bool(each.execution_class) and not differs
    wrong, largest, values = list[str](), 0.0, 0
    if exact and each.weights_sha256 is not None:
        values += 1
        if each.weights_sha256 != result["weights_sha256"]:
            wrong.append(f"weights recorded {each.weights_sha256[:12]}…, here {result['weights_sha256'][:12]}…")
    for key, recorded in (each.values or {}).items():
        protocol, _, metric = key.partition(".")
        if protocol not in run.evaluations:
            continue
        values += 1
        here = (store.metrics(run.run, run.evaluations[protocol]) or {}).get(metric)
        distance = _distance(recorded, here)
        largest = max(largest, distance)
        if distance > (0 if exact else tolerance):
            wrong.append(f"{key} recorded {recorded}, here {here}")
    return Reproduced(run.run, _name(each), differs, values, largest, tuple(wrong))


def _name(each: Recorded) -> str:
    return ", ".join([*each.run.axes.values(), f"seed {each.run.seed}"])


def _distance(one: float | None, other: float | None) -> float:
    if one == other:
        return 0.0
    if one is None or other is None:
        return float("inf")
    return abs(one - other) / max(1.0, abs(one), abs(other))


def _missing(each: Recorded, cache: Path) -> str:
    try:
        check_packed([each.run], cache, "`bench plan SUITE` of its suite packs it, where the images are")
    except DataError as error:
        return str(error)
    return ""


def device_of(runs: Iterable[Recorded]) -> Literal["auto", "cpu"]:
    """As recorded: a CPU's numbers are made on a CPU, others on what there is."""
    devices = {(each.execution_class or {}).get("device") for each in runs} - {None}
    return "cpu" if devices == {"cpu"} else "auto"
