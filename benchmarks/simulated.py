"""A thousand workers on a simulated clock: real Dispatch, in_order and leases; deaths, hangs and lost machines.

Every run ends exactly once, or this fails. Prints what a decision costs, and what a trivial run costs through the real
LocalProcesses.
"""

from __future__ import annotations

import functools
import heapq
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from unittest import mock

from bench.scheduling import leases
from bench.scheduling.dispatch import CONTEXT_BYTES, Dispatch
from bench.scheduling.execute import LocalProcesses
from bench.scheduling.jobs import Event, Job
from bench.scheduling.order import in_order
from bench.scheduling.slots import Slot

GIB = 2**30
HANG_SECONDS = 300.0
LOOK_SECONDS = 10.0
AWAY_SECONDS = 600.0


class Clock:
    """Simulated seconds, and what is to happen when."""

    def __init__(self) -> None:
        self.now = 0.0
        self._count = 0
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._agenda, (self.now + seconds, self._count, action))

    def step(self) -> None:
        """Goes on to the next thing and does it."""
        self.now, _, action = heapq.heappop(self._agenda)
        action()


class Timed:
    """A Dispatch whose calls are counted and timed, in seconds of this process."""

    def __init__(self, dispatch: Dispatch) -> None:
        self.dispatch, self.calls, self.seconds = dispatch, 0, 0.0

    def __call__(self, name: str, *arguments: Any) -> Any:
        begun = time.process_time()
        answer = getattr(self.dispatch, name)(*arguments)
        self.seconds += time.process_time() - begun
        self.calls += 1
        return answer


def make_runs(count: int, draw: random.Random) -> list[Job]:
    """Runs of five suites, three priorities and eight shapes of 2 to 16 GiB, some of which were measured before."""
    peaks = {f"s{i}": 2 * GIB * (i + 1) for i in range(8)}
    jobs = []
    for i in range(count):
        shape = f"s{draw.randrange(8)}"
        known = peaks[shape] if shape in ("s0", "s1") else None
        jobs.append(
            Job(
                ({"run": f"r{i}", "peak": peaks[shape]},), "", "", suite=f"suite {draw.randrange(5)}",
                priority=draw.randrange(3), expected=draw.uniform(60, 3600), shape=shape, peak=known,
            )
        )  # fmt: skip
    return jobs


@dataclass
class Fleet:
    """Machines of one shared GPU with four slots each, and what happens to the runs on them."""

    machines: int
    jobs: list[Job]
    draw: random.Random
    retries: int = 3
    faults: float = 0.03
    clock: Clock = field(default_factory=Clock)
    ended: Counter[str] = field(default_factory=Counter)
    happened: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.slots = [
            Slot(4 * machine + i, "cuda", f"machine {machine}", memory=40 * GIB)
            for machine in range(self.machines)
            for i in range(4)
        ]
        self.dispatch = Timed(Dispatch(in_order(self.jobs), retries=self.retries, hang_seconds=HANG_SECONDS))
        self.idle = {slot.index: slot for slot in self.slots}
        self.attempt = dict.fromkeys(self.idle, 0)  # what was to happen to an earlier attempt does not happen to this
        self.changed = False
        self.lost: set[str | None] = set()

    def run(self) -> None:
        """Until nothing runs and nothing waits."""
        self.clock.after(LOOK_SECONDS, self._look)
        for _ in range(max(1, self.machines // 20)):
            self.clock.after(self.draw.uniform(0, 7200), self._lose_a_machine)
        self._hand_out()
        while sum(self.ended.values()) < len(self.jobs):
            self.clock.step()
            if self.changed:
                self.changed = False
                self._hand_out()
        assert not self.dispatch.dispatch.busy

    def _hand_out(self) -> None:
        """Gives jobs to free slots until the one in front fits nowhere; slots of one machine refuse alike."""
        given = True
        while given:
            given = False
            asked = {slot.mask: slot for slot in self.idle.values() if slot.mask not in self.lost}
            for slot in asked.values():
                job = self.dispatch("next", slot, self.clock.now)
                if job is not None:
                    del self.idle[slot.index]
                    self._begin(slot, job)
                    given = True

    def _begin(self, slot: Slot, job: Job) -> None:
        running = [other for other in self.slots_of(slot.mask) if other.index not in self.idle]
        peaks = [self.dispatch.dispatch.job(other).runs[0]["peak"] for other in running]
        assert len(peaks) == 1 or sum(peaks) + len(peaks) * CONTEXT_BYTES <= 40 * GIB, "a GPU is over-full"
        seconds = job.expected * self.draw.uniform(0.5, 2.0)
        self._at(slot, 0.1 * seconds, lambda: self._measured(slot, job.runs[0]["peak"]))
        fate, when = self.draw.random(), self.draw.uniform(0, seconds)
        if fate < self.faults:
            self._at(slot, when, lambda: self._died(slot, "death"))
        elif fate > 1 - self.faults:
            seconds = when  # it hangs: nothing more is heard of it
        else:
            self._at(slot, seconds, lambda: self._finished(slot))
        beat = 330.0 if self.draw.random() < self.faults else self.draw.choice((60.0, 120.0, 290.0))
        for i in range(1, int(seconds / beat) + 1):
            self._at(slot, i * beat, lambda: self.dispatch("heard", slot, self.clock.now))

    def slots_of(self, mask: str | None) -> list[Slot]:
        first = 4 * int(str(mask).split()[1])
        return self.slots[first : first + 4]

    def _at(self, slot: Slot, seconds: float, action: Callable[[], Any]) -> None:
        """Later, if the slot is then still at the same attempt."""
        attempt = self.attempt[slot.index]
        self.clock.after(seconds, lambda: action() if self.attempt[slot.index] == attempt else None)

    def _measured(self, slot: Slot, peak: int) -> None:
        self.dispatch("measured", slot, peak)
        self.changed = True

    def _free(self, slot: Slot) -> None:
        self.attempt[slot.index] += 1
        self.idle[slot.index] = slot
        self.changed = True

    def _finished(self, slot: Slot) -> None:
        job = self.dispatch("finished", slot)
        self.ended[job.name] += 1
        self.happened["done"] += 1
        self._free(slot)

    def _died(self, slot: Slot, how: str) -> None:
        death = self.dispatch("died", slot)
        self.happened[how] += 1
        if not death.again:
            self.ended[death.job.name] += 1
            self.happened["failed"] += 1
        self._free(slot)

    def _look(self) -> None:
        for slot in self.dispatch("silent", self.clock.now):
            self._died(slot, "hang")
        self.clock.after(LOOK_SECONDS, self._look)

    def _lose_a_machine(self) -> None:
        mask = self.draw.choice(self.slots).mask
        self.lost.add(mask)
        for slot in self.slots_of(mask):
            if slot.index not in self.idle:
                self._died(slot, "lost with its machine")
        self.clock.after(AWAY_SECONDS, lambda: self._found(mask))
        self.clock.after(self.draw.uniform(0, 7200), self._lose_a_machine)

    def _found(self, mask: str | None) -> None:
        self.lost.discard(mask)
        self.changed = True


@dataclass
class Sharers:
    """Schedulers on machines of their own that share a results folder: real leases, one worker each, no other tie.

    A machine now and then stands still for longer than a lease lives, or is lost for good with what it held.
    """

    folder: Path
    schedulers: int
    runs: int
    draw: random.Random
    clock: Clock = field(default_factory=Clock)
    trained: Counter[str] = field(default_factory=Counter)
    happened: Counter[str] = field(default_factory=Counter)

    def run(self) -> None:
        """Until every scheduler that is left sees every run done."""
        names = [f"r{i}" for i in range(self.runs)]
        busy = [self._scheduler(f"machine {i}", self.draw.sample(names, len(names))) for i in range(self.schedulers)]
        self.going = len(busy)
        for scheduler in busy:
            self.clock.after(0.0, functools.partial(self._go_on, scheduler))
        # No power is lost here, and a real disk would take all the time; beats come by the simulated clock.
        with mock.patch("os.fsync"), mock.patch("threading.Thread"):
            while self.going:
                self.clock.step()

    def _go_on(self, scheduler: Iterator[float]) -> None:
        seconds = next(scheduler, None)
        if seconds is None:
            self.going -= 1
        else:
            self.clock.after(seconds, lambda: self._go_on(scheduler))

    def _scheduler(self, machine: str, names: list[str]) -> Iterator[float]:
        """What a scheduler does, yielding the seconds until it goes on."""
        watch = leases.Watch(clock=lambda: self.clock.now)
        stale: dict[str, leases.Mark | None] = dict.fromkeys(names)
        while stale:
            for name in list(stale):
                with mock.patch.object(leases, "this_machine", return_value=machine):
                    lease = leases.take(self.folder / name, stale=stale[name])
                if lease is None:
                    stale[name] = None
                    self.happened["held elsewhere"] += 1
                    continue
                if not self.trained[name]:
                    for _ in range(self.draw.randrange(1, 6)):
                        fate = self.draw.random()
                        if fate < 0.003 and self.going > 1:
                            self.happened["lost with its machine"] += 1
                            return
                        if fate > 0.95:
                            self.happened["stood still"] += 1
                        yield 300.0 if fate > 0.95 else leases.BEAT_SECONDS
                        lease.beat()
                    if lease.held():
                        self.trained[name] += 1
                    else:
                        self.happened["taken over"] += 1
                        lease.give_back()
                        continue
                lease.give_back()
                del stale[name]
            yield 1.0
            with mock.patch.object(leases, "this_machine", return_value=machine):
                stale = {name: watch.free(self.folder / name)[1] for name in stale}


def trivial(pipe: Connection, device: str, mask: str | None) -> None:
    """A worker whose runs take no time."""
    while (job := pipe.recv()) is not None:
        pipe.send({"run": job.name, "kind": "done"})
        pipe.send({"kind": "idle"})


def overhead(runs: int, slots: int = 2) -> float:
    """Seconds a run that LocalProcesses needs beside the runs themselves, workers' start not counted."""
    told: list[float] = []

    def hear(event: Event) -> None:
        told.append(time.perf_counter())

    jobs = (Job(({"run": f"r{i}"},), "", "") for i in range(runs))
    LocalProcesses([Slot(i, "cpu", "") for i in range(slots)], main=trivial).run(jobs, hear)
    return (told[-1] - told[0]) / (len(told) - 1)


def waiting(count: int) -> tuple[float, float]:
    """Seconds until the first of so many waiting runs is given out, and of all decisions on each other one."""
    jobs, slot = make_runs(count, random.Random(0)), Slot(0, "cpu", "")
    begun = time.process_time()
    dispatch = Dispatch(in_order(jobs))
    dispatch.next(slot, 0.0)
    first = time.process_time() - begun
    for _ in range(count - 1):
        dispatch.finished(slot)
        dispatch.next(slot, 0.0)
    return first, (time.process_time() - begun - first) / (count - 1)


def main() -> None:
    for count in (1_000, 100_000):
        first, each = waiting(count)
        print(f"{count} waiting runs: {1e3 * first:.1f} ms before the first, then {1e6 * each:.1f} µs a run")
    print(f"LocalProcesses: {1e3 * overhead(2000):.2f} ms a run that takes no time")
    with tempfile.TemporaryDirectory() as folder:
        sharers = Sharers(Path(folder), schedulers=20, runs=500, draw=random.Random(0))
        sharers.run()
    assert set(sharers.trained.values()) == {1}
    assert len(sharers.trained) == 500
    print(f"500 runs by 20 schedulers with leases, each trained once: {dict(sharers.happened)}")
    draw = random.Random(0)
    fleet = Fleet(250, make_runs(20_000, draw), draw)
    fleet.run()
    assert set(fleet.ended.values()) == {1}
    assert len(fleet.ended) == 20_000
    dispatch = fleet.dispatch
    print(f"20000 runs on 1000 workers in {fleet.clock.now / 3600:.1f} simulated hours, each ended once:")
    print(f"  {dict(fleet.happened)}; {1e6 * dispatch.seconds / dispatch.calls:.1f} µs a decision")


if __name__ == "__main__":
    main()
