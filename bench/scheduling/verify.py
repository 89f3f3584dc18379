"""Training a finished run again, elsewhere, and comparing: the weights, every epoch, every evaluation."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from safetensors import SafetensorError

from bench.catalog.third_party import packages_of
from bench.errors import BenchError, StoreError
from bench.records import digest
from bench.scheduling.classes import differences
from bench.scheduling.control import check_packed
from bench.scheduling.execute import InProcess
from bench.scheduling.jobs import Event, Job
from bench.scheduling.plan import SEMANTICS, PlannedCell, PlannedRun
from bench.scheduling.selection import asked
from bench.store import Store

TOLERANCE = 0.02
"""Across execution classes: largest difference of a mean or metric, as a share of the larger of 1 and its size."""

_TIMES = ("time", "seconds", "images_per_second", "train_seconds")


@dataclass(frozen=True)
class Compared:
    """One thing that was compared: how many ``values`` of it, whether it is ``equal`` in the sense asked for (None:
    told, not judged), the ``largest`` difference (see ``TOLERANCE``; None for none), and what is to be said."""

    what: str
    values: int
    equal: bool | None
    largest: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Verification:
    """What came of it. ``differs``: how the execution classes differ, "" where they are one and so must the bits be.
    ``unknown``: evaluations that could not be made again, because no plan says on which data."""

    run: str
    differs: str
    tolerance: float
    compared: tuple[Compared, ...]
    unknown: tuple[str, ...]

    @property
    def equal(self) -> bool:
        return all(item.equal is not False for item in self.compared)


def verify_run(
    store: Store, run: str, *, cache: Path, tolerance: float = TOLERANCE,
    on_event: Callable[[Event], None] = lambda event: None,
) -> Verification:  # fmt: skip
    """Trains a run again from its ``config.json``, in a temporary results folder, and compares.

    Raises BenchError where it cannot be trained again: it is not finished, its data is not packed, or its configuration
    means something else to this version.
    """
    result = store.result(run)
    if result is None:
        raise StoreError(f"run {run} is not trained (or its result.json is broken); there is nothing to verify")
    views, unknown = _evaluations(store, run, _sound_config(store, run))
    check_packed(views, cache, "`bench plan FILE` of a suite that uses it packs it")
    device = "cpu" if result["execution_class"]["device"] == "cpu" else "auto"
    with TemporaryDirectory(prefix="bench-verify-") as folder:
        again = Store(Path(folder))
        failures: list[str] = []

        def hear(event: Event) -> None:
            if event["kind"] == "failed":
                failures.append(event["error"])
            on_event(event)

        processes = int(result["execution_class"].get("world_size", 1))
        jobs = [_job(view, again, cache, processes) for view in views]
        InProcess(device).run(iter(jobs), hear)
        found = again.result(run)
        if failures or found is None:
            raise BenchError(f"run {run} could not be trained again: {'; '.join(failures) or 'it was stopped'}")
        differs = differences(result["execution_class"], found["execution_class"])
        allowed = tolerance if differs else 0.0
        evaluations = {key: name for view in views for name, key in view.evaluations.items()}
        compared = (
            *_weights(store, run, result, found, exact=not differs),
            _values("training", _plain(result), _plain(found), allowed),
            _values("epochs", *_padded(_epochs(store, run), _epochs(again, run)), allowed),
            *(item for key, name in evaluations.items() for item in _evaluation(store, again, run, name, key, allowed)),
        )
    return Verification(run, differs, allowed, compared, unknown)


def _sound_config(store: Store, run: str) -> dict[str, Any]:
    config = store.config(run)
    if config is None:
        raise StoreError(f"run {run} has no config.json, so nothing says what to train")
    if digest(config) != run:
        raise StoreError(f"run {run}: its config.json is of run {digest(config)}: it was changed, or moved here")
    if config["semantics"] != SEMANTICS:
        raise BenchError(
            f"run {run} was trained under semantics version {config['semantics']}; under {SEMANTICS}, which is this "
            "one's, the same configuration trains to other bits"
        )
    if (here := packages_of(config)) != config.get("packages", {}):
        raise BenchError(f"run {run} used {config.get('packages')}, and installed here are {here}")
    return config


def _evaluations(store: Store, run: str, config: dict[str, Any]) -> tuple[list[PlannedRun], tuple[str, ...]]:
    """The run as plans ask for it, once for each set of tests; and the evaluations there that none of them names."""
    there = sorted(path.stem for path in store.evaluation_folder(run).glob("*.json"))
    views: dict[str, PlannedRun] = {}
    for view in asked(store):
        whole = PlannedRun.from_record(view.record) if view.run == run else None
        if whole is not None:
            made = {name: key for name, key in whole.evaluations.items() if key in there}
            tested_on = {name: protocol for name, protocol in whole.protocols.items() if name in made}
            shared = replace(whole.shared, protocols=tested_on)
            views.setdefault(digest(made), replace(whole, evaluations=made, shared=shared))
    known = {key for view in views.values() for key in view.evaluations.values()}
    bare = PlannedRun(
        run, config["seed"], PlannedCell("", "", {}, config, {}, {}, config["recipe"].get("replicas", 1)), {}
    )
    return list(views.values()) or [bare], tuple(key for key in there if key not in known)


def _job(run: PlannedRun, store: Store, cache: Path, processes: int) -> Job:
    names = ("run", "config", "evaluations", "protocols", "options")
    return Job(({name: getattr(run, name) for name in names},), str(store.root), str(cache), processes=processes)


def _weights(
    store: Store, run: str, result: Mapping[str, Any], found: Mapping[str, Any], *, exact: bool
) -> Iterator[Compared]:
    recorded = result["weights_sha256"]
    kept = store.checkpoint_folder(run) / "backbone.safetensors"
    if kept.is_file():
        sound = hashlib.sha256(kept.read_bytes()).hexdigest() == recorded
        yield Compared("weights that were kept", 1, sound, note="" if sound else "are not those of its result.json")
    if exact:
        same = recorded == found["weights_sha256"]
        note = "" if same else f"sha256 {recorded[:12]}…, trained again {found['weights_sha256'][:12]}…"
        yield Compared("weights", 1, same, note=note)


def _evaluation(store: Store, again: Store, run: str, name: str, key: str, allowed: float) -> Iterator[Compared]:
    """One evaluation: its metrics; within a class all it rests on and its arrays too, across classes scores as told."""
    before, now = store.evaluation(run, key), again.evaluation(run, key) or {}
    if before is None:
        yield Compared(name, 0, False, note="was broken and is set aside")
        return
    yield _values(f"{name}, metrics", *_padded(before["metrics"], now["metrics"]), allowed)
    if not allowed:
        yield _values(f"{name}, what they rest on", _plain(before, "metrics"), _plain(now, "metrics"), allowed)
    try:
        arrays, anew = store.evaluation_arrays(run, key), again.evaluation_arrays(run, key)
    except (OSError, SafetensorError) as error:
        yield Compared(f"{name}, scores", 0, False, note=f"cannot be read: {error}")
        return
    if allowed:
        arrays = {array: values for array, values in arrays.items() if array == "scores"}
    different = [array for array, values in arrays.items() if _bytes(values) != _bytes(anew.get(array))]
    distances = [abs(arrays[array] - anew[array]).max() for array in different if array == "scores" and array in anew]
    yield Compared(
        f"{name}, scores" if allowed else f"{name}, scores and embeddings",
        sum(values.size for values in arrays.values()),
        None if allowed else not different,
        float(max(distances)) if distances else None,
        ", ".join(different) if not allowed else "",
    )


def _bytes(values: np.ndarray | None) -> tuple[Any, ...] | None:
    return None if values is None else (values.dtype.str, values.shape, values.tobytes())


def _epochs(store: Store, run: str) -> dict[str, Any]:
    return {str(event["epoch"]): _plain(event) for event in store.epochs(run)}


def _plain(record: Mapping[str, Any], *but: str) -> dict[str, Any]:
    """A record without what a clock said, what was compared elsewhere, and what no bits depend on."""
    aside = (*_TIMES, "config", "environment", "execution_class", "weights_sha256", "schema", "options", *but)
    return {
        key: _plain(value) if isinstance(value, Mapping) else value for key, value in record.items() if key not in aside
    }


def _padded(before: dict[str, Any], now: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Both with the names of both, so that what one of them lacks is a difference."""
    names = {**before, **now}
    return {name: before.get(name) for name in names}, {name: now.get(name) for name in names}


def _values(what: str, before: Any, now: Any, allowed: float) -> Compared:
    """Compares every value of two nested records."""
    values = 0
    wrong: list[str] = []
    largest, at = 0.0, ""
    for name, first, second in _pairs("", before, now):
        values += 1
        distance = _distance(first, second)
        if distance > largest:
            largest, at = distance, name
        if distance > allowed:
            wrong.append(f"{name} {_short(first)}, trained again {_short(second)}")
    more = f"; and {len(wrong) - 2} more" if len(wrong) > 2 else ""
    note = "; ".join(wrong[:2]) + more if wrong else f"at {at}" if at else ""
    return Compared(what, values, not wrong, largest if 0 < largest < math.inf else None, note)


def _pairs(name: str, first: Any, second: Any) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        for key in first:  # what is recorded since it was trained has nothing to be held against
            yield from _pairs(f"{name}.{key}".strip("."), first.get(key), second.get(key))
    elif isinstance(first, list) and isinstance(second, list) and len(first) == len(second):
        for index, (one, other) in enumerate(zip(first, second, strict=True)):
            yield from _pairs(f"{name}[{index}]", one, other)
    else:
        yield name, first, second


def _distance(first: Any, second: Any) -> float:
    """0 for what is equal; for numbers the difference as a share of the larger of 1 and their size; else infinite."""
    if first == second:
        return 0.0
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in (first, second))
    return abs(first - second) / max(1.0, abs(first), abs(second)) if numbers else math.inf


def _short(value: Any) -> str:
    text = f"{value:.9g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 40 else f"{text[:39]}…"
