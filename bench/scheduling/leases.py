"""Who does a run: at most one process at a time, on one machine or on several that share the results folder.

A lease is a numbered file in the run's folder, made with O_EXCL, which is atomic on network file systems too. The
highest number holds; numbers are never used again. Its owner beats it. A lease whose owner is gone is taken over under
the next number, so an owner that was only slow finds a higher number and stops. No two clocks are compared: a lease of
another machine is stale when its beat has not changed for ``expiry`` seconds of the watcher's own monotonic clock.
"""

from __future__ import annotations

import json
import os
import re
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.errors import StoreError
from bench.processes import began, lives, this_machine
from bench.records import write_json
from bench.store import CANCELLED

BEAT_SECONDS = 5.0
EXPIRY_SECONDS = 60.0
_NAME = re.compile(r"^lease\.(\d{6})$")


Mark = tuple[int, int]
"""Number and beat of a lease: it lives as long as this changes."""


@dataclass(frozen=True)
class Holder:
    """Whose lease it is: process ``pid`` that began at ``began`` on ``machine``; ``beat`` counts its signs of life.

    ``position``: how far it was at its last beat (``epoch``, ``epochs``, ``images_per_second``); None before it trains.
    """

    number: int
    machine: str
    pid: int
    began: float
    beat: int
    position: Mapping[str, Any] | None = None

    @property
    def mark(self) -> Mark:
        return self.number, self.beat

    @property
    def gone(self) -> bool:
        """Whether the process can be seen to have ended; from another machine it cannot."""
        return self.machine == this_machine() and not lives(self.pid, self.began)


def _numbers(folder: Path) -> list[int]:
    """The numbers of all leases that were ever taken and are still there, rising."""
    try:
        return sorted(int(match[1]) for path in folder.iterdir() if (match := _NAME.match(path.name)))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _path(folder: Path, number: int) -> Path:
    return folder / f"lease.{number:06d}"


def newest_lease(folder: Path) -> str | None:
    """The name of the newest lease's file. It stays, held or not, so that its number is never used again."""
    numbers = _numbers(folder)
    return _path(folder, numbers[-1]).name if numbers else None


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
        owner = found["machine"], found["pid"], found["began"], found["beat"]
        return last, Holder(last, *owner, found.get("position"))
    except (OSError, ValueError, KeyError, TypeError):
        return last, Holder(last, "", 0, 0.0, -1)  # being written, or torn: watched until it is stale


class Lease:
    """A lease that is held. It beats by itself until it is given back; ``lost`` once a beat finds a higher number.

    ``cancelled`` once a beat finds the mark that cancels the run. ``position`` is told with every beat.
    """

    def __init__(self, folder: Path, number: int, beat_seconds: float) -> None:
        self.folder, self.number, self.lost, self.cancelled = folder, number, False, False
        self.position: Mapping[str, Any] | None = None
        self._record: dict[str, Any] = {
            "machine": this_machine(),
            "pid": os.getpid(),
            "began": began(os.getpid()),
            "beat": 0,
            "given_back": False,
        }
        self._ended = threading.Event()
        self._write()
        self._beater = threading.Thread(target=self._live, args=(beat_seconds,), daemon=True)
        self._beater.start()

    def held(self) -> bool:
        """Whether nobody has taken it over, looked up this moment."""
        self.lost = self.lost or _numbers(self.folder)[-1:] != [self.number]
        return not self.lost

    def _write(self) -> None:
        # Nobody lives through a power loss, so none has to wait for the disk: a lease lost or torn there grows stale.
        write_json(_path(self.folder, self.number), {**self._record, "position": self.position}, durable=False)

    def beat(self) -> None:
        """One sign of life, unless somebody took it over."""
        if self.held():
            self.cancelled = self.cancelled or (self.folder / CANCELLED).is_file()
            self._record["beat"] += 1
            with suppress(StoreError):  # a full disk, say: the training itself will tell
                self._write()

    def _live(self, seconds: float) -> None:
        while not self._ended.wait(seconds) and not self.lost:
            self.beat()

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
