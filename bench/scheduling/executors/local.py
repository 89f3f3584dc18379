"""Processes on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.catalog import EXECUTORS, Option
from bench.scheduling.executors._options import share

if TYPE_CHECKING:
    from bench.scheduling.execute import Executor
    from bench.scheduling.jobs import Setting


@EXECUTORS.register(
    "local",
    summary="warm worker processes on this machine, one run at a time each",
    source="this project",
    options=(
        share,
        Option("slots", None, "runs at a time; null: a run a core, or 1/share per GPU", kind=int, minimum=1),
    ),
)
def local(setting: Setting, *, share: float, slots: int | None) -> Executor:
    from bench.scheduling.execute import LocalProcesses
    from bench.scheduling.slots import make_slots

    return LocalProcesses(
        make_slots(setting.device, threads=setting.threads, share=share, most=slots, processes=setting.processes),
        retries=setting.retries,
        hang_seconds=setting.hang_seconds,
    )
