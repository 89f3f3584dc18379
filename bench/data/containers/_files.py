"""What the containers share: files mapped once a process, files written whole or not at all."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

from bench.errors import DataError

Version = tuple[str, int, int]


def version(path: str) -> Version | None:
    """(path, size, modification time in ns), or None where there is no file; what is remembered of it holds for these.

    Asked before every image, so it spares itself what it can. Raises DataError where the file cannot be looked at.
    """
    try:
        found = os.stat(path)  # noqa: PTH116 (a Path costs as much again)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}") from None
    return path, found.st_size, found.st_mtime_ns


def mapped(path: str) -> mmap.mmap:
    """The file as a read-only memory map. Raises DataError where it is empty or cannot be read."""
    try:
        with Path(path).open("rb") as file:
            if not os.fstat(file.fileno()).st_size:
                raise DataError(f"{path} is empty")
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None


@contextmanager
def written_whole(*paths: Path) -> Iterator[list[BinaryIO]]:
    """Files to write, which get their names when the block ends without an exception; else nothing is left.

    The first is named last: where it is, the others are. Raises DataError where a name is taken or writing fails.
    """
    for path in paths:
        if path.exists():
            raise DataError(f"{path} exists already; remove it or choose another name")
    partial = [path.with_name(f".{path.name}.{os.getpid()}.partial") for path in paths]
    try:
        with ExitStack() as opened:
            for file in partial:
                opened.callback(file.unlink, missing_ok=True)
            outs = [opened.enter_context(file.open("wb")) for file in partial]
            yield list(outs)
            for out in outs:
                out.flush()
                os.fsync(out.fileno())
                out.close()
            for file, path in reversed(list(zip(partial, paths, strict=True))):
                file.rename(path)
    except OSError as error:
        raise DataError(f"cannot write {paths[0]}: {error}") from None
