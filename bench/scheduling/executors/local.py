"""Processes on this machine."""

from __future__ import annotations

from dataclasses import replace
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
        replace(share, doc=f"{share.doc}; auto: as many as fit its memory, as measured", words=("auto",)),
        Option(
            "slots",
            None,
            "most runs at a time; null: as many as their threads fit the cores, or as share allows per GPU",
            kind=int,
            minimum=1,
        ),
    ),
)
def local(setting: Setting, *, share: float | str, slots: int | None) -> Executor:
    from bench.scheduling.execute import LocalProcesses
    from bench.scheduling.slots import make_slots

    return LocalProcesses(
        make_slots(setting.device, share=share, most=slots, processes=setting.processes),
        retries=setting.retries,
        hang_seconds=setting.hang_seconds,
    )
