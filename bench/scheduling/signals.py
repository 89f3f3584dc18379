"""Signals that ask a process to end: a terminal's Ctrl-C and hang-up, and the SIGTERM of preempting clusters."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

HANGUP = getattr(signal, "SIGHUP", signal.SIGTERM)  # not there on every system


@contextmanager
def as_interrupts() -> Iterator[None]:
    """Inside, SIGTERM and SIGHUP raise KeyboardInterrupt as Ctrl-C does; the process then exits with 128 + the signal.

    One that is ignored, as ``nohup`` asks for, stays ignored.
    """
    came: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        came.append(number)
        raise KeyboardInterrupt

    for number in {signal.SIGTERM, HANGUP}:
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, interrupt)
    try:
        yield
    finally:
        if came:
            sys.exit(128 + came[0])


@contextmanager
def held_back() -> Iterator[Callable[[], bool]]:
    """Inside, Ctrl-C, SIGTERM and SIGHUP wait until the block ends; the function tells whether one came.

    A second one ends the block at once. Outside of the main thread, where Python takes no signals, nothing changes.
    """
    came: list[int] = []

    def hold(number: int, frame: FrameType | None) -> None:
        came.append(number)
        if len(came) > 1:
            restore()
            signal.raise_signal(number)

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    before = {}
    if threading.current_thread() is threading.main_thread():
        before = {n: signal.getsignal(n) for n in {signal.SIGINT, signal.SIGTERM, HANGUP}}
        before = {number: handler for number, handler in before.items() if handler is not signal.SIG_IGN}
    for number in before:
        signal.signal(number, hold)
    try:
        yield lambda: bool(came)
    finally:
        restore()
    if came:
        signal.raise_signal(came[0])
