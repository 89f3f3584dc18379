"""Work that must not end its caller, spread over processes: one that dies takes only what it was at with it."""

from __future__ import annotations

import multiprocessing
import signal
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any


def in_processes(count: int, function: Callable[..., Any], names: Sequence[str], *shared: Any) -> dict[str, Any]:
    """``function(name, *shared)`` for every name in ``count`` fresh processes, ``shared`` being sent to each once.

    Fresh ones, not forks: the caller may hold threads and locks. Where a process dies, the result of what it was at is
    a text that says so, and another takes its place. Names that no process could be started for are not in the answer.
    """
    context = multiprocessing.get_context("spawn")
    waiting, found = deque(names), dict[str, Any]()
    busy: dict[Connection, tuple[BaseProcess, str | None]] = {}
    processes: list[BaseProcess] = []

    def begin() -> None:
        here, there = context.Pipe()
        process = context.Process(target=_serve, args=(there, function, shared), daemon=True)
        process.start()
        there.close()
        processes.append(process)
        busy[here] = process, None  # it says first that it is there

    try:
        for _ in range(min(count, len(names))):
            begin()
        while busy:
            for pipe in wait(list(busy)):
                assert isinstance(pipe, Connection)
                process, name = busy.pop(pipe)
                try:
                    result = pipe.recv()
                except (EOFError, OSError):
                    process.join()
                    if name is not None:
                        found[name] = f"its process died (exit code {process.exitcode})"
                        if waiting:
                            begin()
                    continue
                if name is not None:
                    found[name] = result
                if waiting:
                    busy[pipe] = process, waiting.popleft()
                    with suppress(OSError):  # it just died: its pipe will say so
                        pipe.send(busy[pipe][1])
                else:
                    pipe.close()
    finally:
        for process, _ in busy.values():
            process.kill()
        for process in processes:
            process.join()
    return found


def _serve(pipe: Connection, function: Callable[..., Any], shared: Sequence[Any]) -> None:
    """Until the other end is closed, or gone with its process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pipe.send(None)
    with suppress(EOFError, OSError):
        while True:
            pipe.send(function(pipe.recv(), *shared))
