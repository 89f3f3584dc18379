"""How runs stand: what is done, what is being done and how far it is, what failed and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bench.processes import this_machine
from bench.scheduling.leases import Holder, holder
from bench.scheduling.selection import Asked
from bench.store import Store

STATES = ("done", "running", "waiting", "interrupted", "to evaluate", "failed", "cancelled")
"""``running``: its lease lives. ``interrupted``: it was begun, nobody works at it, and it will be resumed."""

LOG_LINES = 5


@dataclass(frozen=True)
class Standing:
    """One run: its ``state`` (see ``STATES``), the epoch it has reached of ``epochs``, the images a second of its last
    report, ``since`` when it has been at this (its last start if it runs, else what was last told of it; seconds since
    1970), ``attempts`` (starts, back to when it was last done; None if an older version trained it), and what there is
    to say: where it runs, or why it failed, with the end of its log."""

    suite: str
    run: str
    name: str
    state: str
    epoch: int | None = None
    epochs: int | None = None
    images_per_second: float | None = None
    since: float | None = None
    attempts: int | None = None
    note: str = ""
    reason: str | None = None
    log: tuple[str, ...] = ()


def count_states(store: Store, runs: Iterable[Asked]) -> dict[str, int]:
    """How many runs are in each of ``STATES``."""
    counts = Counter(state_of(store, run)[0] for run in runs)
    return {state: counts[state] for state in STATES}


def state_of(store: Store, run: Asked) -> tuple[str, Holder | None]:
    """A run's state, and who works at it. Where nothing is left to do nobody is looked for."""
    state = run.state(store)
    if state == "done":
        return state, None
    found = holder(store.run_folder(run.run))
    if found is not None and not found.gone:
        return "running", found
    return {"to train": "waiting", "started": "interrupted"}.get(state, state), None


def standing(store: Store, run: Asked) -> Standing:
    """See ``Standing``. Reads no more than the run's own small files."""
    state, found = state_of(store, run)
    if state == "waiting":
        return Standing(run.suite, run.run, run.name, state)
    events = store.events(run.run)
    told: Mapping[str, Any] = next((event for event in reversed(events) if event["kind"] == "epoch"), {})
    if found is not None and found.position is not None:
        told = {**found.position}
    begun = [event["time"] for event in events if event["kind"] == "started"]
    last = begun[-1:] if found is not None else [event["time"] for event in events[-1:]]
    failure = store.failure(run.run) if state in ("failed", "cancelled") else None
    return Standing(
        run.suite, run.run, run.name, state,
        epoch=told.get("epoch"),
        epochs=told.get("epochs"),
        images_per_second=told.get("images_per_second"),
        since=last[0] if last else None,
        attempts=attempts(events),
        note=_note(store, run, state, found, failure),
        reason=failure.get("reason") if failure else None,
        log=_end_of_log(store, run.run) if failure else (),
    )  # fmt: skip


def attempts(events: Iterable[Mapping[str, Any]]) -> int | None:
    """How often a run was started until it was done; for one that is begun anew (on other tests, say), since then."""
    counts = [0]
    for event in events:
        if event["kind"] == "started":
            counts[-1] += 1
        elif event["kind"] == "done":
            counts.append(0)
    return next((count for count in reversed(counts) if count), None)


def _note(store: Store, run: Asked, state: str, found: Holder | None, failure: Mapping[str, Any] | None) -> str:
    if found is not None:
        stopping = ["is cancelled and about to stop"] if store.cancelled(run.run) else []
        return ", ".join([*(["on another machine"] if found.machine != this_machine() else []), *stopping])
    if failure is not None:
        return f"failed before: {failure['error']}" if state == "cancelled" else str(failure["error"])
    return ""


def _end_of_log(store: Store, run: str) -> tuple[str, ...]:
    path = store.log_path(run)
    if not path.is_file():
        return ()
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 10_000))
        return tuple(file.read().decode(errors="replace").rstrip().splitlines()[-LOG_LINES:])
