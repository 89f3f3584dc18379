"""Work on many images spread over processes."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

Chunk = TypeVar("Chunk")
Result = TypeVar("Result")

# Starting processes costs more than decoding this many images in the caller.
FEW = 4096


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def each(
    function: Callable[[Chunk], Result], chunks: Sequence[Chunk], images: int, workers: int | None = None
) -> Iterator[Result]:
    """``function(chunk)`` for each chunk, in order; in ``workers`` processes (default: one a core) for many images.

    The function and the chunks are sent to the processes, so both must be importable and small. Raises
    BrokenProcessPool where a process dies.
    """
    workers = min(workers or cores(), len(chunks))
    if workers <= 1 or images <= FEW:
        yield from map(function, chunks)
        return
    # Fresh processes, not forks: the caller may hold threads and locks (torch, a tracker).
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, signal.signal, (signal.SIGINT, signal.SIG_IGN))
    try:
        yield from pool.map(function, chunks)
    finally:
        pool.shutdown(cancel_futures=True)
