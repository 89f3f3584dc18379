"""Work that must not end its caller, spread over processes: one that dies takes only what it was at with it."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import ForkingPickler
from threading import Thread
from typing import Any

CAN_FORK = sys.platform == "linux"
"""Elsewhere system libraries may hold threads and locks of their own in a process that has only just begun."""


Results = Callable[[], dict[str, Any]]
Begin = Callable[..., Results]
"""``begin(count, function, names, *shared)``: ``function(name, *shared)`` for every name, ``count`` at a time; returns
what waits for the results by name."""


@contextmanager
def in_processes(prepare: Callable[[], object]) -> Iterator[Begin]:
    """Yields what has work done, once, in a process for every name, while the caller does something else.

    The caller may hold threads and locks, so it is not forked: a fresh process calls ``prepare`` at once, is handed
    what is shared, and is forked for every name, so that what these have in common is imported and held once. Where a
    process dies its result is a text that says so. Names that none could be started for, all of them where a system
    `CAN_FORK` not, are not among the results. At the end of the block, whatever ends it, none of the processes is left.
    """
    found: dict[str, Any] = {}
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    foreman = context.Process(target=_foreman, args=(there, prepare))
    threads: list[Thread] = []

    def collect(task: bytes) -> None:
        with suppress(EOFError, OSError):
            here.send_bytes(task)
            while True:
                name, result = here.recv()
                found[name] = result

    def begin(count: int, function: Callable[..., Any], names: Sequence[str], *shared: Any) -> Results:
        task = ForkingPickler.dumps((count, function, list(names), shared)).tobytes()
        threads.append(thread := Thread(target=collect, args=(task,), daemon=True))
        thread.start()

        def results() -> dict[str, Any]:
            thread.join()
            return found

        return results

    with here:
        started = CAN_FORK and _started(foreman)
        there.close()
        try:
            yield begin if started else lambda *asked: dict
        finally:
            if started:
                assert foreman.pid is not None
                with suppress(OSError):  # none is left, or it has not made its group yet
                    os.killpg(foreman.pid, signal.SIGKILL)
                foreman.kill()
                foreman.join()
            for thread in threads:
                thread.join()


def _started(process: BaseProcess) -> bool:
    try:
        process.start()
    except OSError:  # no memory, or no more processes allowed
        return False
    return True


def _foreman(pipe: Connection, prepare: Callable[[], object]) -> None:
    """Until every name has its result, or the other end is gone."""
    os.setpgid(0, 0)  # Ctrl-C is for the caller, which ends the whole group of this process and its forks
    prepare()
    try:
        task = pipe.recv_bytes()
    except EOFError:
        return
    count, function, names, shared = ForkingPickler.loads(task)
    gc.collect()
    gc.freeze()  # a collection would write to, and so copy, every page that is shared
    context, waiting = multiprocessing.get_context("fork"), deque(names)
    busy: dict[Connection, tuple[BaseProcess, str]] = {}
    with suppress(OSError):  # the caller is gone, or does what no process can be started for
        while waiting or busy:
            while waiting and len(busy) < count:
                here, there = context.Pipe(duplex=False)
                process: BaseProcess = context.Process(
                    target=_work, args=(there, function, waiting[0], shared), daemon=True
                )
                process.start()
                there.close()
                busy[here] = process, waiting.popleft()
            for ready in wait(list(busy)):
                assert isinstance(ready, Connection)
                process, name = busy.pop(ready)
                pipe.send((name, _result(ready, process)))


def _result(pipe: Connection, process: BaseProcess) -> Any:
    with pipe:
        try:
            found = pipe.recv()
            process.join()
        except (EOFError, OSError):
            process.join()
            return f"its process died (exit code {process.exitcode})"
        return found


def _work(pipe: Connection, function: Callable[..., Any], name: str, shared: Sequence[Any]) -> None:
    pipe.send(function(name, *shared))
