"""Taking runs off a suite that is going, and putting them back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.data.packed import is_packed
from bench.data.protocols import images_digest
from bench.errors import DataError
from bench.scheduling.plan import PlannedRun
from bench.scheduling.selection import Asked, asked
from bench.scheduling.standing import state_of
from bench.store import Store


@dataclass(frozen=True)
class Cancelled:
    """What became of the runs that were to be cancelled: each run's id is in one of these.

    ``running``: whoever works at them stops at a checkpoint, after the next beat of the lease. ``waiting``: nobody will
    begin them. ``done``: there was nothing to cancel. ``shared``: left alone, with the suites that also ask for them.
    """

    running: tuple[str, ...]
    waiting: tuple[str, ...]
    done: tuple[str, ...]
    shared: dict[str, tuple[str, ...]]


def cancel(store: Store, runs: Sequence[Asked], *, shared: bool = False) -> Cancelled:
    """Marks runs as cancelled, if they are not done. ``shared``: also those that a suite asks for whose view of the run
    is not among ``runs``, and that are not done for it."""
    chosen = {(run.suite, run.run) for run in runs}
    names = dict.fromkeys(run.run for run in runs)
    others: dict[str, dict[str, None]] = {}
    for run in asked(store):
        if run.run in names and (run.suite, run.run) not in chosen and run.state(store) != "done":
            others.setdefault(run.run, {})[run.suite] = None
    found: dict[str, list[str]] = {"running": [], "waiting": [], "done": []}
    left: dict[str, tuple[str, ...]] = {}
    for name in names:
        states = [state_of(store, run)[0] for run in runs if run.run == name]
        if all(state == "done" for state in states):
            found["done"].append(name)
        elif name in others and not shared:
            left[name] = tuple(others[name])
        else:
            store.cancel(name)
            found["running" if "running" in states else "waiting"].append(name)
    return Cancelled(tuple(found["running"]), tuple(found["waiting"]), tuple(found["done"]), left)


def to_retry(store: Store, runs: Iterable[Asked]) -> list[Asked]:
    """Those of the runs that failed or were cancelled."""
    return [run for run in runs if run.state(store) in ("failed", "cancelled")]


def put_back(store: Store, runs: Iterable[Asked]) -> None:
    """Takes the marks off cancelled runs, and records in each that was begun before that it is tried again."""
    for run in dict.fromkeys(run.run for run in runs):
        store.clear_cancelled(run)
        if store.events(run):
            store.append_event(run, {"kind": "retry", "error": "asked for"})


def left_to_do(store: Store, runs: Iterable[str], but: Sequence[str]) -> dict[str, int]:
    """How many of these runs are not done for each suite, ``but`` for some, that asks for them."""
    names = set(runs)
    views = [run for run in asked(store) if run.run in names and run.suite not in but] if names else []
    return dict(Counter(run.suite for run in views if run.state(store) != "done"))


def check_packed(runs: Iterable[PlannedRun], cache: Path, how: str) -> None:
    """Raises DataError where the packed data of a run is not in the cache; ``how``: what to do about it."""
    for run in runs:
        digest = str(run.config["train"]["digest"])
        if not is_packed(cache, digest):
            raise DataError(f"run {run.run}: its training data (packed as {digest[:12]}…) is not in {cache}; {how}")
        for name, protocol in run.protocols.items():
            images = images_digest(cache, protocol)
            if images is None or not is_packed(cache, images):
                raise DataError(f"run {run.run}: protocol {name} ({protocol[:12]}…) is not packed in {cache}; {how}")
