"""What a worker is handed, and what it tells back: plain values that cross process borders."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Event = dict[str, Any]
Verdict = str  # "go on" or "prune"


@dataclass(frozen=True)
class Job:
    """A group of runs that share their data, usually of one.

    ``ask``: wait for a verdict after every epoch. ``stale``: the marks of leases, by run, that may be taken over.
    ``same_class``: what was trained in another execution class than the worker's is put aside and trained again.
    ``processes``: how many train a run together, of which the one that is handed the job is the first.
    The rest decides when and where it goes: the ``suite`` whose turn it takes, that suite's ``priority``, the
    ``expected`` seconds (or any other unit, if one for all jobs), the CPU ``threads`` of all its processes, its
    ``shape`` (digest of what its memory depends on; "": like no other), and the ``peak`` in bytes that its shape took
    of a GPU before, if known.
    """

    runs: tuple[dict[str, Any], ...]
    results: str
    cache: str
    ask: bool = False
    stale: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    same_class: bool = False
    processes: int = 1
    suite: str = ""
    priority: int = 0
    expected: float = 1.0
    threads: int = 1
    shape: str = ""
    peak: int | None = None

    @property
    def name(self) -> str:
        return "+".join(run["run"] for run in self.runs)


@dataclass(frozen=True)
class Setting:
    """What every executor is told beside its own options: torch's ``device``, the most CPU ``threads`` of a process,
    how often a run whose process died is tried again, how long a silent one is waited for (None: for ever), and the
    ``processes`` of a run, each of which needs a device of its own."""

    device: str = "auto"
    threads: int = 1
    retries: int = 1
    hang_seconds: float | None = None
    processes: int = 1


Send = Callable[[Event], None]
Ask = Callable[[], str | None]
"""Waits for the verdict after an epoch; None: go on."""

OnEvent = Callable[[Event], Verdict | None]
"""Called in the parent with every event; its answer to an asking job's ``epoch`` event is the verdict."""
