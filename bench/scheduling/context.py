"""How this project starts processes: from a server that has imported everything once, where the system has that."""

from __future__ import annotations

import multiprocessing as mp
from multiprocessing.context import ForkServerContext, SpawnContext


def warm_context(*more: str) -> ForkServerContext | SpawnContext:
    """Each process that calls it has a server of its own, started with its first child. ``more``: modules that its
    children need beside the usual.
    """
    if "forkserver" not in mp.get_all_start_methods():
        return mp.get_context("spawn")
    context = mp.get_context("forkserver")
    context.set_forkserver_preload(["bench.scheduling.warm", *more])
    return context
