"""Tasks of a Slurm array, through submitit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.catalog import EXECUTORS, Option

if TYPE_CHECKING:
    from bench.scheduling.execute import Executor
    from bench.scheduling.jobs import Setting


def _check(*, minutes: int, grace_seconds: int, **rest: Any) -> list[tuple[str, str]]:
    if minutes * 60 >= 2 * grace_seconds:
        return []
    return [
        ("minutes", f"{minutes} min is too short: the signal comes grace_seconds ({grace_seconds} s) before the end")
    ]


@EXECUTORS.register(
    "slurm",
    summary="tasks of a Slurm array, which go on without the command that submitted them",
    source="submitit",
    options=(
        Option("cluster", "slurm", "local: processes of this machine, to try it out", choices=("slurm", "local")),
        Option("partition", None, "null: the cluster's default", kind=str),
        Option("account", None, "null: the cluster's default", kind=str),
        Option("qos", None, "null: the cluster's default", kind=str),
        Option("constraint", None, "features that a node must have; null: any", kind=str),
        Option("minutes", 240, "walltime of a task", unit="min", minimum=1),
        Option("memory_gb", None, "memory of a task; null: the cluster's default", unit="GiB", kind=int, minimum=1),
        Option(
            "cpus",
            None,
            "cores of a task; null: as many as a run has threads in all its processes",
            kind=int,
            minimum=1,
        ),
        Option(
            "gpus",
            None,
            "GPUs of a task; null: one a process of a run, or 0 where executor.device is cpu",
            kind=int,
            minimum=0,
        ),
        Option("at_once", None, "most tasks of an array at a time; null: as many as Slurm gives", kind=int, minimum=1),
        Option("runs_per_task", 1, "runs that a task does one after another", minimum=1),
        Option("grace_seconds", 120, "the signal to checkpoint comes so long before the end", unit="s", minimum=10),
        Option("requeues", 20, "how often a run goes on after its time was up or it was preempted", minimum=0),
        Option("setup", None, "shell lines that a task runs first, such as module load cuda", kind=list),
    ),
    check=_check,
)
def slurm(
    setting: Setting, *, cluster: str, cpus: int | None, gpus: int | None, runs_per_task: int, requeues: int,
    **asked: Any,
) -> Executor:  # fmt: skip
    from bench.scheduling.array_cluster import LocalCluster, Request, SlurmCluster, require_submitit
    from bench.scheduling.array_driver import ArrayDriver

    require_submitit()
    if gpus is None:
        gpus = 0 if setting.device == "cpu" else setting.processes
    where = SlurmCluster if cluster == "slurm" else LocalCluster
    return ArrayDriver(
        where(Request(cpus=cpus or setting.threads * setting.processes, gpus=gpus, **asked), requeues),
        device=setting.device,
        runs_per_task=runs_per_task,
        requeues=requeues,
        retries=setting.retries,
        hang_seconds=setting.hang_seconds,
    )
