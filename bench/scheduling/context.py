"""How this project starts processes: from a server that has imported everything once, where the system has that."""

from __future__ import annotations

import multiprocessing as mp
from multiprocessing.context import ForkServerContext, SpawnContext


def warm_context() -> ForkServerContext | SpawnContext:
    """Each process that calls it has a server of its own, started with its first child."""
    if "forkserver" not in mp.get_all_start_methods():
        return mp.get_context("spawn")
    context = mp.get_context("forkserver")
    context.set_forkserver_preload(["bench.scheduling.warm"])
    return context
