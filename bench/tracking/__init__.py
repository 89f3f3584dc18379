"""The mirror in MLflow. The store stays the record, and the queue: what is not there yet is told by the next call."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bench.store import Store
from bench.tracking.apart import track_apart
from bench.tracking.mirror import Claims, Mirror, TrackReport, other_claims
from bench.tracking.search import tell_search
from bench.tracking.state import database, is_remembered, mirror_state, remember
from bench.tracking.target import LOCK_SECONDS, Target, TrackingError, line, opened, target, uri_from_environment

__all__ = ["TrackReport", "TrackingError", "lagging", "track_quietly", "track_suite", "uri_from_environment"]

QUIET_SECONDS = 20.0
"""The longest that a command which trains waits for a tracker, for all its suites together."""


def track_suite(
    store: Store, name: str, *, uri: str | None = None, models: bool = False, seconds: float = LOCK_SECONDS
) -> TrackReport:
    """Brings the MLflow experiment of suite ``name`` up to date; a second call adds nothing.

    ``uri`` is MLflow's tracking URI; by default an SQLite file ``mlflow.db`` in the results folder. A run whose record
    has changed since (it failed and was trained, or was evaluated on more) is replaced, its old mirror put in MLflow's
    bin, since MLflow can neither change a param nor take back a metric. Runs that left the plan stay as they are.
    ``models``: with the weights of trained runs. ``seconds``: to wait for another process that mirrors.
    Raises StoreError for an unknown suite, TrackingError if the tracker is down, locked or refuses.
    """
    plan, where = store.plan(name), target(store, uri)
    others = other_claims(store, plan)
    state, before = mirror_state(store, plan, others), database(store, where)
    done = _mirror(store, plan, where, others, models, seconds)
    remember(store, name, where, state, before)
    return done


def lagging(store: Store, names: Iterable[str], uri: str | None = None) -> list[str]:
    """The suites of which something is not known to be in MLflow."""
    where, late = target(store, uri), []
    for name in names:
        plan = store.plan(name)
        if not is_remembered(store, name, where, mirror_state(store, plan, other_claims(store, plan))):
            late.append(name)
    return late


def track_quietly(store: Store, *names: str, uri: str | None = None) -> str | None:
    """As :func:`track_suite`, but whatever goes wrong becomes a one-line warning: a tracker never costs a run.

    Where nothing has changed since the embedded database was told last, it is not even opened. Any other target is
    told by a process of its own, which is given up after `QUIET_SECONDS`.
    """
    if uri is not None:
        trouble = track_apart(store.root, names, uri, QUIET_SECONDS)
        return _warning(names, trouble, f" --uri {line(uri)}" if uri != uri_from_environment() else "")
    for at, name in enumerate(names):
        try:
            if lagging(store, [name]):
                track_suite(store, name, seconds=QUIET_SECONDS)
        except Exception as error:
            return _warning(names[at:], line(error) or type(error).__name__)
    return None


def _warning(names: tuple[str, ...], trouble: str | None, option: str = "") -> str | None:
    if trouble is None:
        return None
    listed = ", ".join(map(repr, names))
    asked = names[0] if len(names) == 1 else ""
    were = "suite {} was" if len(names) == 1 else "suites {} were"
    return f"{were.format(listed)} not mirrored (later: {f'bench track {asked}'.strip()}{option}): {trouble}"


def _mirror(
    store: Store, plan: Mapping[str, Any], where: Target, others: Claims, models: bool, seconds: float
) -> TrackReport:
    with opened(store, where, seconds) as client:
        mirror = Mirror(store, plan, client, where, others, models)
        mirror.runs()
        tell_search(mirror)
        return mirror.finish()
