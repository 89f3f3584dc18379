"""Work that must not end its caller, spread over processes: one that dies takes only what it was at with it."""

from __future__ import annotations

import gc
import multiprocessing
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import ForkingPickler
from threading import Thread
from typing import Any


@contextmanager
def in_processes(
    count: int, function: Callable[..., Any], names: Sequence[str], *shared: Any
) -> Iterator[Callable[[], dict[str, Any]]]:
    """``function(name, *shared)`` for every name in ``count`` fresh processes, while the caller does something else.

    Yields what waits for the results by name. ``shared`` is sent as it is now, to each process once. Fresh ones, not
    forks: the caller may hold threads and locks. Where a process dies, the result of what it was at is a text that says
    so, and another takes its place. Names that no process could be started for are not among the results. At the end of
    the block, whatever ends it, none of the processes is left.
    """
    work = _Work(names, ForkingPickler.dumps((function, shared)).tobytes())
    thread = Thread(target=work.collect, args=(min(count, len(names)),), daemon=True)
    thread.start()

    def results() -> dict[str, Any]:
        thread.join()
        return work.found

    try:
        yield results
    finally:
        work.waiting.clear()
        work.kill()
        while thread.is_alive():  # it may have been starting one at that moment
            thread.join(0.05)
            work.kill()
        work.join()


class _Work:
    """Which names wait, which process is at which, and what was found."""

    def __init__(self, names: Sequence[str], task: bytes) -> None:
        self.waiting, self.task = deque(names), task
        self.found: dict[str, Any] = {}
        self._busy: dict[Connection, tuple[BaseProcess, str | None]] = {}
        self._processes: list[BaseProcess] = []
        self._context = multiprocessing.get_context("spawn")

    def collect(self, count: int) -> None:
        for _ in range(count):
            self._begin()
        while self._busy:
            for pipe in wait(list(self._busy)):
                assert isinstance(pipe, Connection)
                self._hear(pipe)

    def kill(self) -> None:
        for process in list(self._processes):
            process.kill()

    def join(self) -> None:
        for process in self._processes:
            process.join()

    def _begin(self) -> None:
        here, there = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(there,), daemon=True)
        with suppress(OSError):  # no memory, or no more processes allowed: the others do it, or else the caller
            process.start()
            self._processes.append(process)
            self._busy[here] = process, None  # it says first that it is there, and is handed what is shared
        there.close()

    def _hear(self, pipe: Connection) -> None:
        process, name = self._busy.pop(pipe)
        try:
            result = pipe.recv()
        except (EOFError, OSError):
            process.join()
            if name is not None:
                self.found[name] = f"its process died (exit code {process.exitcode})"
                if self.waiting:
                    self._begin()
            return
        if name is not None:
            self.found[name] = result
        if not self.waiting:
            pipe.close()
            return
        self._busy[pipe] = process, self.waiting.popleft()
        with suppress(OSError):  # it just died: its pipe will say so
            if name is None:
                pipe.send_bytes(self.task)
            pipe.send(self._busy[pipe][1])


def _serve(pipe: Connection) -> None:
    """Until the other end is closed, or gone with its process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pipe.send(None)
    with suppress(EOFError, OSError):
        function, shared = ForkingPickler.loads(pipe.recv_bytes())
        gc.freeze()  # none of it is ever garbage
        while True:
            pipe.send(function(pipe.recv(), *shared))
