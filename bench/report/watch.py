"""Reports that are written anew as results come in, until every planned run has ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bench.records import digest
from bench.report.page import count_runs
from bench.report.results import MISSING, load_results
from bench.report.write import ReportPaths, write_report
from bench.store import Store
from bench.store_index import stamp_of

POLL_SECONDS = 3.0
RESTED = 4.0
"""Times as long as the last reports took is paused, so that watching takes little of what trains on the same cores."""
REFRESH_SECONDS = 10
"""How often an open page loads itself again."""


@dataclass(frozen=True)
class Update:
    """A report was written. ``counts``: as of `count_runs`; ``ended``: no run is left to wait for."""

    suite: str
    counts: dict[str, int]
    ended: bool
    paths: ReportPaths


def watch(
    store: Store, names: Sequence[str], tell: Callable[[Update], None], pause: Callable[[float], None] = time.sleep
) -> None:
    """Writes the report of each suite now, and again whenever a file of one of its runs has changed.

    A page says that its suite still trains until it ends or the watching does. Raises StoreError for an unknown suite.
    """
    seen: dict[str, str] = {}
    waiting = list(dict.fromkeys(names))
    try:
        while True:
            began = time.monotonic()
            for name in list(waiting):
                mark = _mark(store, name)  # before anything is read: what changes meanwhile is seen in the next round
                if mark == seen.get(name):
                    continue
                counts = count_runs(load_results(store, [name]))
                ended = not counts[MISSING]
                seen[name] = mark
                paths = write_report(store, name, refresh=None if ended else REFRESH_SECONDS)
                if ended:
                    waiting.remove(name)
                tell(Update(name, counts, ended, paths))
            if not waiting:
                return
            pause(max(POLL_SECONDS, RESTED * (time.monotonic() - began)))
    finally:
        for name in waiting:
            if name in seen:  # or its page would go on saying that somebody watches
                write_report(store, name)


def _mark(store: Store, name: str) -> str:
    """Another one whenever the plan, what a search found or a record of a run has changed."""
    folder = store.suite_folder(name)
    runs: list[Any] = [
        [run["run"], store.stamps(run["run"], run["evaluations"].values())] for run in store.plan(name)["runs"]
    ]
    return digest([stamp_of(f"{folder}/{file}") for file in ("plan.json", "search.json")] + runs)
