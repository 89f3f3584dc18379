"""In which order known runs go: by priority, then fairly between suites, then the longest first."""

from __future__ import annotations

import heapq
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator

from bench.scheduling.jobs import Job


def in_order(jobs: Iterable[Job]) -> Iterator[Job]:
    """All jobs: those of higher ``priority`` first; among these the suite's turn that was given least expected time so
    far; of a suite the longest first, since a long run that is begun last leaves the other slots idle.

    Equal jobs keep their order. Takes O(log n) a job.
    """
    levels: dict[int, dict[str, list[Job]]] = defaultdict(lambda: defaultdict(list))
    for job in jobs:
        levels[job.priority][job.suite].append(job)
    given: dict[str, float] = defaultdict(float)
    for priority in sorted(levels, reverse=True):
        waiting = {
            suite: deque(sorted(of_suite, key=lambda job: -job.expected))
            for suite, of_suite in levels[priority].items()
        }
        turns = [(given[suite], place, suite) for place, suite in enumerate(waiting)]
        heapq.heapify(turns)
        while turns:
            _, place, suite = heapq.heappop(turns)
            job = waiting[suite].popleft()
            given[suite] += job.expected
            if waiting[suite]:
                heapq.heappush(turns, (given[suite], place, suite))
            yield job
