"""Submits runs as array tasks, hears what they tell through the results folder, and tries again what died.

The tasks need no driver. One that starts later finds those that still wait or run, by the record that is kept of each
array below ``results/slurm/``, and listens to them instead of submitting their runs again. Nothing that a task or
Slurm says proves a run done: the store alone does.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench.records import append_json, write_json
from bench.scheduling.array_cluster import Cluster, Ended, Listed
from bench.scheduling.array_task import (
    ArrayTask,
    Story,
    Tail,
    describe,
    described_jobs,
    is_done,
    marks_of_the_dead,
    pruned_path,
    told_path,
)  # fmt: skip
from bench.scheduling.failures import record_failure, record_retry
from bench.scheduling.jobs import Event, Job, OnEvent, Verdict
from bench.store import Store

HEAR_SECONDS = 2.0
TRIAL_TASKS = 8
"""Tasks that a search keeps in the queue where ``at_once`` does not say."""

LATE_SECONDS = 60.0
"""After so long, what a machine wrote to a network file system is seen by the others."""


@dataclass(frozen=True)
class ArrayDriver:
    """An executor on a cluster: ``runs_per_task`` runs, one after another, make a task.

    A task that is preempted or whose time is up is tried again ``requeues`` times, a run whose task died ``retries``
    times. When this process is stopped, the cluster says what becomes of the tasks.

    Nobody waits for a verdict over a network file system: a trial trains on, and is pruned some epochs late.
    """

    cluster: Cluster
    device: str
    runs_per_task: int = 1
    requeues: int = 20
    retries: int = 1
    hang_seconds: float | None = None
    hear_seconds: float = HEAR_SECONDS

    def run(self, jobs: Iterator[Job], on_event: OnEvent) -> None:
        todo = self.taken(jobs, 0)
        if todo:
            _Drive(self, Store(Path(todo[0].results)), jobs, on_event).drive(todo)

    def taken(self, jobs: Iterator[Job], unfinished: int) -> list[Job]:
        """All jobs, for the tasks may outlive this process; of a search, which learns from what has ended, only so many
        that ``at_once`` tasks have work."""
        most = (self.cluster.request.at_once or TRIAL_TASKS) * self.runs_per_task
        found: list[Job] = []
        searches = unfinished > 0
        while not searches or unfinished + len(found) < most:
            job = next(jobs, None)
            if job is None:
                break
            searches = searches or job.ask
            found.append(job)
        return found


@dataclass
class _Task:
    """A task that waits or runs. ``jobs``: those that are waited for; ``log``: where it writes, below the results."""

    listed: Listed
    jobs: Sequence[Job]
    tail: Tail
    log: str
    story: Story = field(default_factory=Story)
    ended: Ended | None = None
    left_at: float | None = None

    @property
    def runs(self) -> set[str]:
        return {run["run"] for job in self.jobs for run in job.runs}


class _Drive:
    """One call of ``ArrayDriver.run``."""

    def __init__(self, driver: ArrayDriver, store: Store, jobs: Iterator[Job], on_event: OnEvent) -> None:
        self.driver, self.cluster, self.store, self.on_event = driver, driver.cluster, store, on_event
        self.jobs = jobs  # that were not taken yet, of a search
        self.tasks: list[_Task] = []
        self.waiting: list[Job] = []
        self.settled: set[str] = set()
        self.deaths: Counter[str] = Counter()
        self.stops: Counter[str] = Counter()

    def drive(self, todo: Sequence[Job]) -> None:
        self.waiting = self._found_again(todo)
        looked = time.monotonic()
        try:
            while self.tasks or self.waiting:
                self._submit_waiting()
                time.sleep(self.driver.hear_seconds)
                for task in list(self.tasks):
                    self._hear(task)
                if self.tasks and time.monotonic() - looked >= self.cluster.look_seconds:
                    looked = time.monotonic()
                    ended = self.cluster.ended([task.listed for task in self.tasks])
                    for task in self.tasks:
                        task.ended = ended.get(task.listed)
                self.waiting += self.driver.taken(self.jobs, len(self.waiting) + len(self._unsettled()))
        finally:
            text = self.cluster.farewell([task.listed.id for task in self.tasks])
            if self.tasks:
                self._note(text)

    # submitting

    def _found_again(self, todo: Sequence[Job]) -> list[Job]:
        """Takes up the tasks of earlier drivers that still wait or run; returns the jobs that no such task does."""
        alive = self.cluster.alive()
        left = {job.name: job for job in todo}
        name_of = {run["run"]: job.name for job in todo for run in job.runs}
        for record in sorted((self.store.root / "slurm").glob("*/array.json"), reverse=True):
            for number, known in enumerate(json.loads(record.read_bytes())["tasks"]):
                names = {name_of[run] for run in known["runs"] if run in name_of} & left.keys()
                if not names:
                    continue
                description, listed = record.parent / f"{number}.json", Listed(record.parent.name, known["id"])
                if listed not in alive:
                    story = self._story(description)
                    left |= {name: self._unburdened(left[name], story) for name in names}
                    continue
                does = {_work(job) for job in described_jobs(json.loads(description.read_bytes()))}
                if jobs := [left.pop(name) for name in sorted(names) if _work(left[name]) in does]:
                    self.tasks.append(self._task(listed, jobs, description))
        if self.tasks:
            self._note(f"{len(self.tasks)} tasks of an earlier call still wait or run; none is submitted twice")
        return list(left.values())

    def _task(self, listed: Listed, jobs: Sequence[Job], description: Path) -> _Task:
        log = f"slurm/{listed.array}/submitit/{listed.id}_0_log.err"
        return _Task(listed, jobs, Tail(told_path(description)), log)

    def _story(self, description: Path) -> Story:
        story = Story()
        for event in Tail(told_path(description)).read():
            story.hear(event)
        return story

    def _unburdened(self, job: Job, story: Story) -> Job:
        """The job, told which leases belong to the processes of a task that has ended."""
        marks = marks_of_the_dead(self.store, {run["run"] for run in job.runs}, story.starts)
        return replace(job, stale={**job.stale, **marks}) if marks else job

    def _submit_waiting(self) -> None:
        after = None
        while self.waiting and (room := self.cluster.room(len(self.tasks))):
            most = room * self.driver.runs_per_task
            chunk, self.waiting = self.waiting[:most], self.waiting[most:]
            after = self._submit(chunk, after)

    def _submit(self, jobs: Sequence[Job], after: str | None) -> str:
        each, driver = self.driver.runs_per_task, self.driver
        groups = [jobs[i : i + each] for i in range(0, len(jobs), each)]
        array = f"bench-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}"
        folder = self.store.root / "slurm" / array
        for number, group in enumerate(groups):
            describe(
                folder / f"{number}.json", group,
                device=driver.device, requeues=driver.requeues, hang_seconds=driver.hang_seconds,
            )  # fmt: skip
            for run in (run for job in group for run in job.runs):
                self.store.clear_failure(run["run"])  # what stands there later is of this try
        paths = [folder / f"{number}.json" for number in range(len(groups))]
        ids = self.cluster.submit(array, folder / "submitit", [ArrayTask(str(path)) for path in paths], after)
        known = [
            {"id": id, "runs": sorted({run["run"] for job in group for run in job.runs})}
            for id, group in zip(ids, groups, strict=True)
        ]
        write_json(folder / "array.json", {"tasks": known})
        for id, group, path in zip(ids, groups, paths, strict=True):
            self.tasks.append(self._task(Listed(array, id), group, path))
        self._note(f"submitted {len(jobs)} runs in {len(groups)} tasks: {ids[0].partition('_')[0]}")
        return ids[0]

    # listening

    def _hear(self, task: _Task) -> None:
        for event in task.tail.read():
            task.story.hear(event)
            if event["kind"] == "begins" and len(task.story.starts) > 1:
                for run in task.story.begun & task.runs:
                    self._tell(run, {"kind": "retry", "error": f"its task {task.listed.id} was started again"})
            elif (
                event.get("run") in task.runs
                and event["kind"] not in ("done", "stopped")
                and self._tell(event["run"], event) == "prune"
            ):
                append_json(pruned_path(task.tail.path), {"kind": "prune", "run": event["run"]})
        now, left = time.monotonic(), task.story.left
        for run in task.story.done if not left else task.runs:
            if run in task.runs - self.settled and self._is_done(task, run):
                self._tell(run, {"kind": "done"})
        self.settled |= task.story.ended & task.runs
        if not task.runs - self.settled:
            self.tasks.remove(task)
        elif left:
            task.left_at = task.left_at or now
            if now - task.left_at > LATE_SECONDS:
                lost = "it did all it was given, but nothing of it is here: do all machines see this results folder?"
                self._bury(task, Ended("", f"task {task.listed.id}: {lost}"))
        elif task.ended is not None:
            self._bury(task, task.ended)

    def _unsettled(self) -> list[Job]:
        """What tasks still do."""
        jobs = [job for task in self.tasks for job in task.jobs]
        return [job for job in jobs if {run["run"] for run in job.runs} - self.settled]

    def _is_done(self, task: _Task, run: str) -> bool:
        return all(is_done(self.store, value) for job in task.jobs for value in job.runs if value["run"] == run)

    def _tell(self, run: str, event: Event) -> Verdict | None:
        if event["kind"] in ("done", "failed"):
            self.settled.add(run)
        return self.on_event({**event, "run": run})

    def _note(self, text: str) -> None:
        self.on_event({"run": "", "kind": "note", "text": text})

    # burying

    def _bury(self, task: _Task, how: Ended) -> None:
        """The task ended before its runs did: they go back, or are recorded as failed."""
        self.tasks.remove(task)
        cancelled = how.state == f"CANCELLED by {os.getuid()}"  # by this user, who wants no other try
        stopped = how.state.startswith("PREEMPTED") or (task.story.signal is not None and not cancelled)
        error = self._in_words(task, how)
        for job in task.jobs:
            runs = {run["run"] for run in job.runs} - self.settled
            for run in runs:
                if found := self.store.failure(run):  # its last words were lost
                    self._tell(run, {"kind": "failed", "error": found["error"], "reason": found["reason"]})
            runs -= self.settled
            count, most = (self.stops, self.driver.requeues) if stopped else (self.deaths, self.driver.retries)
            if stopped or not task.story.begun or task.story.begun & runs:  # not what only stood behind the culprit
                count[job.name] += 1
            if cancelled or count[job.name] > most:
                times = f", {count[job.name]} times" if count[job.name] > 1 else ""
                for run in sorted(runs):
                    failure = {"reason": _reason(how, task.story), "error": error + times, "traceback": ""}
                    self._tell(run, {"kind": "failed", **record_failure(self.store, run, failure)})
            elif runs:
                told = record_retry(self.store, job, error)
                for run in sorted(runs):
                    self._tell(run, told)
                self.waiting.append(self._unburdened(job, task.story))

    def _in_words(self, task: _Task, how: Ended) -> str:
        words = how.in_words
        if task.story.hung:
            words += f", as it said nothing for {self.driver.hang_seconds:g} s"
        if not task.story.starts and not how.state.startswith("CANCELLED"):
            words += " before it began: do its machines see this results folder?"
        if how.state == "OUT_OF_MEMORY":
            now = self.cluster.request.memory_gb
            given = "the cluster's default" if now is None else f"now {now}"
            words += f"; ask for more by executor.memory_gb ({given}), or try a smaller recipe.batch"
        return f"{words}; log: {task.log}"


def _reason(how: Ended, story: Story) -> str:
    if how.state == "OUT_OF_MEMORY":
        return "oom"
    return "hang" if story.hung else "death"


def _work(job: Job) -> frozenset[tuple[str, str]]:
    """What a job does: its runs, and each with an evaluation."""
    runs = {(run["run"], "") for run in job.runs}
    return frozenset(runs | {(run["run"], key) for run in job.runs for key in run["evaluations"].values()})
