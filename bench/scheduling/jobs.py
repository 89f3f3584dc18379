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
    ``processes``: how many train a run together, of which the one that is handed the job is the first.
    """

    runs: tuple[dict[str, Any], ...]
    results: str
    cache: str
    ask: bool = False
    stale: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    processes: int = 1

    @property
    def name(self) -> str:
        return "+".join(run["run"] for run in self.runs)


@dataclass(frozen=True)
class Setting:
    """What every executor is told beside its own options: torch's ``device``, the CPU ``threads`` of a process, how
    often a run whose process died is tried again, how long a silent one is waited for (None: for ever), and the
    ``processes`` of a run, each of which needs a device of its own."""

    device: str = "auto"
    threads: int = 1
    retries: int = 1
    hang_seconds: float | None = None
    processes: int = 1


OnEvent = Callable[[Event], Verdict | None]
"""Called in the parent with every event; its answer to an asking job's ``epoch`` event is the verdict."""
