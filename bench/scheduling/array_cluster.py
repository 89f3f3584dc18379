"""Where array tasks run: on Slurm, or beside this process by submitit's local executor, to try things out.

Submitting is submitit's. Looking is not: its watcher asks ``sacct`` at most every ten minutes, calls a job that it does
not find UNKNOWN, and its local job that was killed FINISHED. Here a task lives while ``squeue`` lists it; what became
of one that is listed no more is asked of ``sacct``, which a cluster may lack. No result is unpickled.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from bench.errors import BenchError
from bench.scheduling.array_task import ArrayTask

ARRAY_TASKS = 1000  # Slurm's default MaxArraySize is 1001, and an index must be below it
UNLISTED_SECONDS = 60.0
COMMAND_SECONDS = 60.0
_UNFINISHED = ("PENDING", "RUNNING", "REQUEUED", "SUSPENDED", "COMPLETING", "CONFIGURING", "RESIZING")


@dataclass(frozen=True)
class Request:
    """What each task asks for: ``minutes`` of walltime, ``grace_seconds`` before its end the signal to checkpoint,
    ``cpus``, ``gpus``, ``memory_gb``; ``at_once``: most tasks of an array at a time; ``setup``: lines run before.
    None leaves the cluster's default."""

    minutes: float
    grace_seconds: int
    cpus: int
    gpus: int
    memory_gb: int | None = None
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    at_once: int | None = None
    setup: Sequence[str] | None = None


@dataclass(frozen=True)
class Listed:
    """A task as Slurm knows it: the name of its array and its own id."""

    array: str
    id: str


@dataclass(frozen=True)
class Ended:
    """What the cluster says became of a task: ``state`` in its own word, and all of it ``in_words``."""

    state: str
    in_words: str


class Cluster(Protocol):
    """Where tasks are submitted, and what has become of them."""

    request: Request
    look_seconds: float
    """How long between two looks at the tasks: a cluster's controller is not to be pestered."""

    def room(self, living: int) -> int:
        """How many more tasks may be submitted now."""

    def submit(self, array: str, folder: Path, tasks: Sequence[ArrayTask], after: str | None) -> list[str]:
        """Submits one array of tasks, each with an id; those of ``after`` come first. submitit's files are kept in
        ``folder``. Raises BenchError with what the cluster says."""

    def alive(self) -> set[Listed]:
        """The tasks that wait or run, whoever submitted them."""

    def ended(self, tasks: Iterable[Listed]) -> dict[Listed, Ended]:
        """Those of the tasks that have ended, and how."""

    def farewell(self, ids: Sequence[str]) -> str:
        """Called when the driver ends: what becomes of the tasks that still wait or run, and how to cancel them."""


@dataclass
class SlurmCluster:
    """The cluster whose Slurm commands are on the PATH. Raises BenchError where they are not."""

    request: Request
    requeues: int
    look_seconds: float = 30.0
    clock: Callable[[], float] = time.monotonic
    _unlisted: dict[Listed, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        missing = [name for name in ("sbatch", "srun", "squeue", "scontrol") if shutil.which(name) is None]
        if missing:
            raise BenchError(
                f"executor slurm: not on the PATH: {', '.join(missing)}; start it where jobs are submitted, such as a "
                "login node, or try it on this machine with executor.cluster=local"
            )

    def room(self, living: int) -> int:
        return ARRAY_TASKS

    def submit(self, array: str, folder: Path, tasks: Sequence[ArrayTask], after: str | None) -> list[str]:
        from submitit import SlurmExecutor
        from submitit.core.utils import FailedJobError, FailedSubmissionError
        from submitit.helpers import clean_env

        asked = self.request
        executor = SlurmExecutor(folder, max_num_timeout=self.requeues)
        executor.update_parameters(
            job_name=array,
            time=int(asked.minutes),
            signal_delay_s=asked.grace_seconds,
            cpus_per_task=asked.cpus,
            srun_args=[f"--cpus-per-task={asked.cpus}"],  # srun has not taken it over from sbatch since Slurm 22.05
            gpus_per_node=asked.gpus or None,
            mem=None if asked.memory_gb is None else f"{asked.memory_gb}G",
            partition=asked.partition,
            account=asked.account,
            qos=asked.qos,
            constraint=asked.constraint,
            array_parallelism=asked.at_once or len(tasks),
            dependency=f"afterany:{after.partition('_')[0]}" if after and asked.at_once else None,
            setup=list(asked.setup or []),
            wckey=None,  # submitit's own would be refused where keys are checked
            additional_parameters={"requeue": True},
        )
        try:
            with clean_env():  # so that it can be started from within a job
                jobs = executor.submit_array(list(tasks))
        except (FailedJobError, FailedSubmissionError) as error:
            said = " ".join(str(error).split())
            raise BenchError(f"sbatch refused an array of {len(tasks)} tasks: {said}") from None
        return [job.job_id for job in jobs]

    def alive(self) -> set[Listed]:
        found = set()
        for line in _ask("squeue", "--me", "--array", "--noheader", "--format=%j|%i").splitlines():
            array, _, id = line.strip().rpartition("|")
            found.add(Listed(array, id))
        return found

    def ended(self, tasks: Iterable[Listed]) -> dict[Listed, Ended]:
        try:
            alive = self.alive()
        except BenchError:
            return {}  # the controller does not answer now; it will
        for task in alive:
            self._unlisted.pop(task, None)
        gone = [task for task in tasks if task not in alive]
        known = _accounted(gone)
        found = {task: known[task.id] for task in gone if task.id in known}
        for task in gone:
            since = self._unlisted.setdefault(task, self.clock())
            if task not in found and self.clock() - since > UNLISTED_SECONDS:
                found[task] = Ended("", f"Slurm lists task {task.id} no more, and not how it ended")
        return found

    def farewell(self, ids: Sequence[str]) -> str:
        jobs = " ".join(dict.fromkeys(id.partition("_")[0] for id in ids))
        return f"the tasks go on in Slurm, and the same command finds them again; to cancel them: scancel {jobs}"


@dataclass
class LocalCluster:
    """submitit's local executor. It starts whatever it is given at once, so the number is held down here."""

    request: Request
    requeues: int
    look_seconds: float = 1.0
    _jobs: dict[str, Any] = field(default_factory=dict)

    def room(self, living: int) -> int:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return max(0, (self.request.at_once or max(1, cores // self.request.cpus)) - living)

    def submit(self, array: str, folder: Path, tasks: Sequence[ArrayTask], after: str | None) -> list[str]:
        from submitit import LocalExecutor

        asked = self.request
        executor = LocalExecutor(folder, max_num_timeout=self.requeues)
        executor.update_parameters(
            timeout_min=asked.minutes,
            signal_delay_s=asked.grace_seconds,
            gpus_per_node=asked.gpus,
            setup=list(asked.setup or []),
        )
        jobs = {job.job_id: job for job in (executor.submit(task) for task in tasks)}
        self._jobs |= jobs
        return list(jobs)

    def alive(self) -> set[Listed]:
        return set()  # another process's tasks are told by their leases

    def ended(self, tasks: Iterable[Listed]) -> dict[Listed, Ended]:
        done = [task for task in tasks if self._jobs[task.id].done()]
        return {task: Ended("", f"the process of task {task.id} ended") for task in done}

    def farewell(self, ids: Sequence[str]) -> str:
        for id in ids:
            self._jobs[id].cancel()
        while not all(job.done() for job in self._jobs.values()):  # those that are just leaving, too
            time.sleep(0.05)
        return "the tasks on this machine were stopped"


def _accounted(tasks: Sequence[Listed]) -> dict[str, Ended]:
    """What ``sacct`` says of tasks that have ended, by id; nothing where there is no accounting, or not now."""
    from submitit.slurm.slurm import SlurmInfoWatcher

    if not tasks or shutil.which("sacct") is None:
        return {}
    jobs = ",".join(sorted({task.id.partition("_")[0] for task in tasks}))
    try:
        said = _ask("sacct", "--parsable2", "--format=JobID,State,ExitCode", f"--jobs={jobs}")
    except BenchError:
        return {}
    steps = [line.split("|") for line in said.splitlines()]
    starved = {step[0].partition(".")[0] for step in steps if step[1:2] == ["OUT_OF_MEMORY"]}
    found = {}
    for id, facts in SlurmInfoWatcher().read_info(said).items():  # of whole tasks, ranges of an array taken apart
        state = "OUT_OF_MEMORY" if id in starved else facts["State"]  # the task may only be FAILED if a step was
        code, _, number = facts["ExitCode"].partition(":")
        how = f"exit code {code}" if number in ("", "0") else f"signal {number}"
        if not state.startswith(_UNFINISHED):
            found[id] = Ended(state, f"Slurm task {id}: {state} ({how})")
    return found


def _ask(*command: str) -> str:
    """What a command prints. Raises BenchError if it fails or does not answer."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BenchError(f"{command[0]} does not answer: {error}") from None
    if done.returncode:
        raise BenchError(f"{command[0]}: {' '.join(done.stderr.split()) or f'exit code {done.returncode}'}")
    return done.stdout


def require_submitit() -> None:
    """Raises BenchError where it is not installed."""
    if find_spec("submitit") is None:
        raise BenchError("executor slurm needs submitit: pip install -e .[slurm]")
