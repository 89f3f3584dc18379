"""Embeddings of a file brought into a protocol's order by name; what does not fit is told, never skipped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

import numpy as np

from bench.data.types import Int
from bench.errors import DataError, some


def match(names: Sequence[str], wanted: Sequence[str], what: str) -> tuple[Int, int]:
    """For each wanted name (N) the row that has it, int64, and how many names are not wanted (they are harmless).

    ``what``: "image" or "template", for messages. Raises DataError for names that are missing or come twice, with
    their count and the first five.
    """
    row = {name: at for at, name in enumerate(names)}
    problems = []
    if len(row) != len(names):
        twice = [f"{name} ({count} times)" for name, count in Counter(names).items() if count > 1]
        problems.append(f"{len(twice):,} names come more than once: {some(twice)}")
    missing = list(dict.fromkeys(name for name in wanted if name not in row))
    if missing:
        problems.append(
            f"{len(missing):,} of the protocol's {len(set(wanted)):,} {what}s have no embedding: {some(missing)}"
            + _hint(missing[0], names)
        )
    if problems:
        raise DataError("; ".join(problems))
    return np.array([row[name] for name in wanted], np.int64), len(row) - len(set(wanted))


def in_order(count: int, wanted: Sequence[str], what: str) -> Int:
    """The rows as they are. Raises DataError where there are not as many as wanted names."""
    if count != len(wanted):
        raise DataError(f"in order there must be {len(wanted):,} embeddings, one for each {what}; found {count:,}")
    return np.arange(count)


def _hint(missing: str, names: Sequence[str]) -> str:
    """A name of the file that ends alike, since folders and suffixes are what usually differs."""
    stem = PurePosixPath(missing).stem
    alike = next((name for name in names if PurePosixPath(name.replace("\\", "/")).stem == stem), None)
    return f"; the file has {alike!r} instead" if alike else f"; the file's first name is {names[0]!r}" if names else ""
