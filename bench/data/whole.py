"""Folders that appear whole or not at all."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.errors import DataError


@contextmanager
def new_folder(folder: Path, what: str) -> Iterator[Path]:
    """A folder to fill, beside ``folder``; it takes that name when the block ends and vanishes where the block fails.

    Raises DataError, saying ``what`` was to be written, where ``folder`` exists and is not an empty folder, or where
    something cannot be written.
    """
    unfinished = folder.parent / f".{folder.name}.{uuid.uuid4().hex}.unfinished"
    try:
        if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
            raise DataError(f"{folder}: exists already and is not an empty folder; name another, or remove it first")
        unfinished.mkdir(parents=True)
        yield unfinished
        if folder.is_dir():
            folder.rmdir()
        unfinished.replace(folder)
    except OSError as error:
        raise DataError(f"{folder}: cannot write {what}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
