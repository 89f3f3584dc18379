"""Processes of a Ray cluster, on any of its nodes, or of a local one that is started for the call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.catalog import EXECUTORS, Option
from bench.scheduling.executors._options import share

if TYPE_CHECKING:
    from bench.scheduling.execute import Executor
    from bench.scheduling.jobs import Setting


@EXECUTORS.register(
    "ray",
    summary="warm worker processes on the nodes of a Ray cluster, one run at a time each; needs the extra [ray]",
    source="https://docs.ray.io/en/latest/ray-core/walkthrough.html",
    options=(
        Option(
            "address",
            None,
            "a running cluster's HOST:PORT, or auto: the one this machine is a node of; null: a local one for the call",
            kind=str,
        ),
        share,
        Option("memory", None, "memory that Ray sets aside for a run", unit="GiB", kind=float, above=0),
        Option("slots", None, "runs at a time at most; null: what the cluster has room for", kind=int, minimum=1),
        Option(
            "files",
            "auto",
            "how a worker gets at data and results: auto: in the shared folders where it sees them, else sent through "
            "Ray's object store; shared: it must see them; sent: always sent",
            choices=("auto", "shared", "sent"),
        ),
    ),
)
def ray(
    setting: Setting, *, address: str | None, share: float, memory: float | None, slots: int | None, files: str
) -> Executor:
    from bench.scheduling.ray_jobs import RayWorkers

    return RayWorkers(setting, address, share=share, memory_gib=memory, slots=slots, files=files)
