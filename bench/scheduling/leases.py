"""Who does a run: at most one process at a time, on one machine or on several that share the results folder.

A lease is a numbered file in the run's folder, made with O_EXCL, which is atomic on network file systems too. The
highest number holds; numbers are never used again. Its owner beats it. A lease whose owner is gone is taken over under
the next number, so an owner that was only slow finds a higher number and stops. No two clocks are compared: a lease of
another machine is stale when its beat has not changed for ``expiry`` seconds of the watcher's own monotonic clock.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import platform
import re
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from bench.errors import StoreError
from bench.store import write_json

BEAT_SECONDS = 5.0
EXPIRY_SECONDS = 60.0
_NAME = re.compile(r"^lease\.(\d{6})$")


Mark = tuple[int, int]
"""Number and beat of a lease: it lives as long as this changes."""


@dataclass(frozen=True)
class Holder:
    """Whose lease it is: process ``pid`` that began at ``began`` on ``machine``; ``beat`` counts its signs of life."""

    number: int
    machine: str
    pid: int
    began: float
    beat: int

    @property
    def mark(self) -> Mark:
        return self.number, self.beat

    @property
    def gone(self) -> bool:
        """Whether the process can be seen to have ended; from another machine it cannot."""
        if self.machine != this_machine():
            return False
        try:
            process = psutil.Process(self.pid)
            return process.status() == psutil.STATUS_ZOMBIE or abs(process.create_time() - self.began) > 1.0
        except psutil.NoSuchProcess:
            return True


@functools.cache
def this_machine() -> str:
    """Tells machines apart, and one machine before and after a restart, without naming them."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    since = boot.read_text().strip() if boot.is_file() else str(int(psutil.boot_time()))
    return hashlib.sha256(f"{platform.node()} {since}".encode()).hexdigest()[:16]


def _numbers(folder: Path) -> list[int]:
    """The numbers of all leases that were ever taken and are still there, rising."""
    try:
        return sorted(int(match[1]) for path in folder.iterdir() if (match := _NAME.match(path.name)))
    except FileNotFoundError:
        return []


def _path(folder: Path, number: int) -> Path:
    return folder / f"lease.{number:06d}"


def holder(folder: Path) -> Holder | None:
    """Who holds the lease of a run's folder; None if nobody."""
    return _look(folder)[1]


def _look(folder: Path) -> tuple[int, Holder | None]:
    """The last number that was taken, 0 for none, and who holds it; both from one look at the folder."""
    last = max(_numbers(folder), default=0)
    if not last:
        return 0, None
    try:
        found = json.loads(_path(folder, last).read_bytes())
        if found["given_back"]:
            return last, None
        return last, Holder(last, found["machine"], found["pid"], found["began"], found["beat"])
    except (OSError, ValueError, KeyError, TypeError):
        return last, Holder(last, "", 0, 0.0, -1)  # being written, or torn: watched until it is stale


class Lease:
    """A lease that is held. It beats by itself until it is given back; ``lost`` once a beat finds a higher number."""

    def __init__(self, folder: Path, number: int, beat_seconds: float) -> None:
        self.folder, self.number, self.lost = folder, number, False
        self._record: dict[str, Any] = {
            "machine": this_machine(),
            "pid": os.getpid(),
            "began": psutil.Process().create_time(),
            "beat": 0,
            "given_back": False,
        }
        self._ended = threading.Event()
        self._write()
        self._beater = threading.Thread(target=self._beat, args=(beat_seconds,), daemon=True)
        self._beater.start()

    def held(self) -> bool:
        """Whether nobody has taken it over, looked up this moment."""
        self.lost = self.lost or _numbers(self.folder)[-1:] != [self.number]
        return not self.lost

    def _write(self) -> None:
        # Nobody lives through a power loss, so none has to wait for the disk: a lease lost or torn there grows stale.
        write_json(_path(self.folder, self.number), self._record, durable=False)

    def _beat(self, seconds: float) -> None:
        while not self._ended.wait(seconds) and self.held():
            self._record["beat"] += 1
            with suppress(StoreError):  # a full disk, say: the training itself will tell
                self._write()

    def give_back(self) -> None:
        """Ends the beat and lets the next one have it."""
        self._ended.set()
        self._beater.join()
        if self.held():
            self._record["given_back"] = True
            with suppress(StoreError):
                self._write()
            for number in _numbers(self.folder)[:-1]:
                _path(self.folder, number).unlink(missing_ok=True)


def take(folder: Path, *, stale: Mark | None = None, beat_seconds: float = BEAT_SECONDS) -> Lease | None:
    """The lease of a run's folder, or None while somebody lives on it. ``stale``: a mark that was watched to be so."""
    try:
        last, found = _look(folder)
        if found is not None and not found.gone and found.mark != stale:
            return None
        folder.mkdir(parents=True, exist_ok=True)
        os.close(os.open(_path(folder, last + 1), os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    except FileExistsError:
        return None  # somebody else was quicker
    except OSError as error:
        raise StoreError(f"{folder}: no lease can be taken: {error.strerror or error}") from None
    return Lease(folder, last + 1, beat_seconds)


@dataclass
class Watch:
    """Remembers when the beats of leases changed."""

    expiry: float = EXPIRY_SECONDS
    clock: Callable[[], float] = time.monotonic
    _seen: dict[Path, tuple[Mark, float]] = field(default_factory=dict)

    def free(self, folder: Path) -> tuple[bool, Mark | None]:
        """Whether the lease can be taken, and the stale mark to take it with if its owner is only presumed gone."""
        found = holder(folder)
        if found is None or found.gone:
            return True, None
        mark, since = self._seen.get(folder, (None, 0.0))
        if mark != found.mark:
            self._seen[folder] = (found.mark, self.clock())
            return False, None
        return (True, mark) if self.clock() - since > self.expiry else (False, None)
