"""What was read of many runs' files before, so that it need not be read again: quick, and never the truth.

``index.tsv`` beside the run folders holds a line a run: its id, a checksum, and for each file its name, its stamp and
what was made of it, as JSON. A file is read again unless its stamp is the same to the nanosecond, the time of any
change included, which no program sets; so what is remembered is as good as the file, and the index may be deleted at
any time. Each look costs one ``stat``. A torn line, or an index of another version, counts as not there.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from bench.errors import StoreError

VERSION = 1
SETTLED_NS = 2_000_000_000
"""A file that changed so short a time ago could change again without another stamp: some file systems count in twos."""

Entries = dict[str, tuple[str, str]]
"""File → its stamp, and what was made of it."""


class Index:
    """What is remembered of the runs below one results folder; ``save`` keeps what is new."""

    def __init__(self, root: Path) -> None:
        self._root, self._path, self._runs = root, root / "index.tsv", root / "runs"
        self._lines: dict[str, bytes] | None = None
        self._known: dict[str, Entries] = {}
        self._changed: set[str] = set()
        self._clock: tuple[int, int] | None = None

    def look(
        self, run: str, file: str, read: Callable[[], Mapping[str, Any] | None], summary: Callable[[Any], Any]
    ) -> str | None:
        """JSON of ``summary(read())`` of a file of a run's folder, from memory where it has not changed; None where the
        file is not there or ``read`` does not find it sound."""
        path = f"{self._runs}/{run}/{file}"
        found = _stat(path)
        if found is None:
            return None
        stamp, entries = _stamp(found), self._entries(run)
        known = entries.get(file)
        if known is not None and known[0] == stamp:
            return known[1]
        if known is not None:
            del entries[file]
            self._changed.add(run)
        value = read()
        if value is None:
            return None
        text = _json(summary(value))
        again = _stat(path)
        if again is not None and _stamp(again) == stamp and self._settled(again):
            entries[file] = stamp, text
            self._changed.add(run)
        return text

    def save(self) -> None:
        """Keeps what is new, and what other processes have kept meanwhile. Where that cannot be written it is lost."""
        if not self._changed:
            return
        with suppress(OSError):
            there = {path.name for path in self._runs.iterdir()}
            lines = {run: line for run, line in self._read().items() if run in there}
            lines |= {run: _line(run, self._known[run]) for run in self._changed & there}
            handle, temporary = tempfile.mkstemp(dir=self._root, prefix=f".{self._path.name}.")
            try:
                with os.fdopen(handle, "wb") as file:  # no fsync: a line that does not get there is read again
                    file.write(b"\n".join([_HEAD, *(lines[run] for run in sorted(lines)), b""]))
                Path(temporary).chmod(0o644)
                Path(temporary).replace(self._path)
            finally:
                Path(temporary).unlink(missing_ok=True)
            self._changed.clear()

    def _entries(self, run: str) -> Entries:
        if run not in self._known:
            if self._lines is None:
                self._lines = self._read()
            self._known[run] = _parsed(self._lines.pop(run, b""))
        return self._known[run]

    def _read(self) -> dict[str, bytes]:
        try:
            head, *lines = self._path.read_bytes().split(b"\n")
        except OSError:
            return {}
        if head != _HEAD:
            return {}
        return {line.partition(b"\t")[0].decode("ascii", "replace"): line for line in lines if line}

    def _settled(self, found: os.stat_result) -> bool:
        """Whether a file has stood unchanged for a while, by the clock of the file system that stamps it."""
        if self._clock is None:
            try:
                with tempfile.TemporaryFile(dir=self._root) as probe:
                    self._clock = os.fstat(probe.fileno()).st_mtime_ns, time.monotonic_ns()
            except OSError:
                self._clock = 0, time.monotonic_ns()  # nothing can be written here, an index neither
        now = self._clock[0] + time.monotonic_ns() - self._clock[1]
        return now - max(found.st_mtime_ns, found.st_ctime_ns) > SETTLED_NS


_HEAD = f"what was read of runs before; may be deleted\t{VERSION}".encode()


def stamp_of(path: str) -> str | None:
    """What tells a file from any other state of it; None where there is none. Raises StoreError."""
    found = _stat(path)
    return None if found is None else _stamp(found)


def _stat(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)  # noqa: PTH116 (asked for tens of thousands of files)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {error.strerror or error}") from None


def _stamp(found: os.stat_result) -> str:
    """When the content and when anything of a file changed, how large it is, and which file it is."""
    return f"{found.st_mtime_ns} {found.st_ctime_ns} {found.st_size} {found.st_ino}"


def _line(run: str, entries: Entries) -> bytes:
    text = "\t".join(part for file in sorted(entries) for part in (file, *entries[file])).encode()
    return b"\t".join((run.encode(), _checksum(text), text))


def _parsed(line: bytes) -> Entries:
    _, _, rest = line.partition(b"\t")
    checksum, _, text = rest.partition(b"\t")
    if not text or checksum != _checksum(text):
        return {}
    parts = text.decode().split("\t")
    return {file: (stamp, value) for file, stamp, value in zip(parts[::3], parts[1::3], parts[2::3], strict=True)}


def _checksum(text: bytes) -> bytes:
    return hashlib.sha256(text).hexdigest()[:16].encode()


def _json(value: Any) -> str:
    """ASCII, so without tabs and line ends."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False)
