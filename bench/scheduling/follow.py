"""What is written about a run while it runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from bench.scheduling.leases import holder
from bench.store import Store

LOOK_SECONDS = 0.5
ENDS = ("done", "failed", "cancelled", "stopped", "pruned")

Told = dict[str, Any] | str


def told(store: Store, run: str, wait: Callable[[], None] | None = None) -> Iterator[Told]:
    """The events of a run so far (dict) and the lines of its log (str); then what is new of both.

    ``wait``: called whenever there is nothing new, until the run has ended; None ends at once. A run that nobody works
    at, but that has not ended, is waited for: whoever takes it up goes on where it stopped.
    """
    events, lines = 0, 0
    while True:
        working = holder(store.run_folder(run))  # looked up first: what it then wrote last is read below
        found = store.events(run)
        events = events if events <= len(found) else 0  # the run was superseded
        yield from found[events:]
        log = store.log_path(run)
        text = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.is_file() else []
        lines = lines if lines <= len(text) else 0
        yield from text[lines:]
        new = len(found) > events or len(text) > lines
        events, lines = len(found), len(text)
        idle = working is None or working.gone
        ended = (found[-1:] and found[-1].get("kind") in ENDS) or store.result(run) is not None or store.cancelled(run)
        if wait is None or (idle and ended):
            return
        if not new:
            wait()


def pause() -> None:
    time.sleep(LOOK_SECONDS)
