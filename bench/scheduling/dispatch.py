"""What runs on which slot, and what becomes of a run whose worker dies or falls silent.

It has no processes and no clock: ``now`` (seconds, never falling) is an argument, so that a thousand workers can be
simulated. Jobs come from an iterator in the order in which they are to go (see ``order``), which is asked for one only
when a slot is free: a search decides its next trial then. The job in front is never overtaken, so that a large one is
not starved by small ones that still fit.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass

from bench.scheduling.jobs import Job
from bench.scheduling.slots import Slot

CONTEXT_BYTES = 2**30
"""What a process takes of a GPU beside its tensors: the CUDA context and the libraries' own workspaces, rounded up."""


@dataclass
class _Attempt:
    job: Job
    slot: Slot
    heard: float
    deaths: int
    hung: bool = False


@dataclass(frozen=True)
class Death:
    """A worker died: of which job, for the how manieth time, whether it had hung, and whether it is tried ``again``."""

    job: Job
    deaths: int
    hung: bool
    again: bool


class Dispatch:
    """Every job that ``next`` gives ends once: by ``finished``, or by a ``died`` whose answer is not ``again``.

    A job is tried again at most ``retries`` times, and goes before all that wait. ``hang_seconds``: how long a worker
    with a job may say nothing; None: for ever.
    """

    def __init__(self, jobs: Iterable[Job], *, retries: int = 1, hang_seconds: float | None = None) -> None:
        self.retries, self.hang_seconds = retries, hang_seconds
        self._jobs = iter(jobs)
        self._front: deque[tuple[Job, int]] = deque()  # jobs that go next, with their deaths
        self._running: OrderedDict[int, _Attempt] = OrderedDict()  # by slot, the longest silent first
        self._beside: dict[str | None, dict[int, Job]] = defaultdict(dict)  # by mask and slot: who shares a device
        self._processes: dict[str | None, set[int]] = defaultdict(set)  # by mask: slots whose worker was ever started
        self._peaks: dict[str, int] = {}

    @property
    def busy(self) -> bool:
        """Whether anything runs. If nothing does and no slot is given a job, all are done."""
        return bool(self._running)

    def free(self, slot: Slot) -> bool:
        return slot.index not in self._running

    def job(self, slot: Slot) -> Job:
        """What runs on a slot."""
        return self._running[slot.index].job

    def next(self, slot: Slot, now: float) -> Job | None:
        """The job that now begins on a free slot; None if there is none, or the one in front has no room there yet."""
        if not self.free(slot):
            raise ValueError(f"slot {slot.index} is asked to take a job while it has one")
        if not self._front:
            job = next(self._jobs, None)
            if job is None:
                return None
            self._front.append((job, 0))
        job, deaths = self._front[0]
        if not self._fits(job, slot):
            return None
        self._front.popleft()
        self._running[slot.index] = _Attempt(job, slot, now, deaths)
        self._beside[slot.mask][slot.index] = job
        self._processes[slot.mask].add(slot.index)
        return job

    def heard(self, slot: Slot, now: float) -> None:
        """The worker of a slot gave a sign of life."""
        self._running[slot.index].heard = now
        self._running.move_to_end(slot.index)

    def measured(self, slot: Slot, peak: int) -> None:
        """The job of a slot took ``peak`` bytes of its GPU so far: from then on those of its shape count so much."""
        job = self.job(slot)
        self._peaks[job.shape or job.name] = max(peak, self._peak(job) or 0)

    def silent(self, now: float) -> list[Slot]:
        """The slots whose worker hangs since the last call: it is to be killed, and its death told."""
        if self.hang_seconds is None:
            return []
        found = []
        for attempt in self._running.values():
            if now - attempt.heard <= self.hang_seconds:
                break
            if not attempt.hung:
                attempt.hung = True
                found.append(attempt.slot)
        return found

    def finished(self, slot: Slot) -> Job:
        """The worker of a slot is through with its job, whether its runs went well or not."""
        return self._end(slot).job

    def died(self, slot: Slot) -> Death:
        """The worker of a slot is gone with its job."""
        attempt = self._end(slot)
        deaths = attempt.deaths + 1
        again = deaths <= self.retries
        if again:
            self._front.appendleft((attempt.job, deaths))
        return Death(attempt.job, deaths, attempt.hung, again)

    def _end(self, slot: Slot) -> _Attempt:
        del self._beside[slot.mask][slot.index]
        return self._running.pop(slot.index)

    def _peak(self, job: Job) -> int | None:
        return self._peaks.get(job.shape or job.name, job.peak)

    def _fits(self, job: Job, slot: Slot) -> bool:
        """Whether a job has room beside those on the same device; one that would be alone there always has."""
        beside = self._beside[slot.mask].values()
        if not beside:
            return True
        if slot.cores is not None and job.threads + sum(other.threads for other in beside) > slot.cores:
            return False
        if slot.memory is None:
            return True
        peaks = [self._peak(each) for each in (job, *beside)]
        processes = len(self._processes[slot.mask] | {slot.index})  # idle ones keep their context
        return all(peaks) and sum(peak or 0 for peak in peaks) + processes * CONTEXT_BYTES <= slot.memory
