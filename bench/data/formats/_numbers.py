"""Files of whole numbers, millions of lines long, read in blocks into arrays."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bench.data.formats._lists import LONGEST_LINE, MOST_DIGITS, Problems, open_list, quoted
from bench.data.types import Int

BLOCK = 1 << 24
BLANK = b" \t\r\n"
ALLOWED = b"0123456789" + BLANK


def number_blocks(file: Path, columns: int, problems: Problems, expected: str) -> Iterator[tuple[Int, Int]]:
    """(line numbers (n,), values (n, ``columns``)) of the good lines of a file of whole numbers from 0, block by block.

    Memory does not grow with the file. A line that is anything else, a blank one too, is a problem; what is blank at
    the end is not. Raises DataError for what cannot be read, or has a line longer than any list's.
    """
    number = 1
    for block in _blocks(file):
        lines = block.split(b"\n")
        yield _plain(lines, block, columns, number) or _checked(lines, columns, number, problems, expected)
        number += len(lines)


def _blocks(file: Path) -> Iterator[bytes]:
    """The file's bytes in blocks of whole lines, each without its last line feed."""
    with open_list(file) as stream:
        rest = b""
        while read := stream.read(BLOCK):
            block = rest + read
            # What is blank at the end of a block is kept back: it may be the end of the file.
            end = block.rfind(b"\n", 0, len(block.rstrip(BLANK)))
            rest = block[end + 1 :]
            if len(rest) > LONGEST_LINE:
                raise ValueError(f"a line, or a stretch of blank ones, is longer than {LONGEST_LINE:,} bytes")
            if end >= 0:
                yield block[:end]
        if rest := rest.rstrip(BLANK):
            yield rest


def _plain(lines: list[bytes], block: bytes, columns: int, number: int) -> tuple[Int, Int] | None:
    """A block whose every line is as expected, or None where that is not sure."""
    if not block.strip() or block.translate(None, ALLOWED) or max(map(len, lines)) > MOST_DIGITS + 2 * (columns - 1):
        return None  # in a line so short, no number has too many digits
    try:
        values = np.loadtxt(block.decode("ascii").split("\n"), np.int64, comments=None, ndmin=2)
    except ValueError:
        return None
    if values.shape != (len(lines), columns):
        return None
    return np.arange(number, number + len(lines)), values


def _checked(lines: list[bytes], columns: int, number: int, problems: Problems, expected: str) -> tuple[Int, Int]:
    pattern = re.compile(rb"[ \t\r]*" + rb"[ \t]+".join([rb"([0-9]{1,%d})" % MOST_DIGITS] * columns) + rb"[ \t\r]*")
    numbers, values = [], []
    for at, line in enumerate(lines, start=number):
        if match := pattern.fullmatch(line):
            numbers.append(at)
            values.append([int(field) for field in match.groups()])
        else:
            found = quoted(line.strip().decode("utf-8", "backslashreplace"))
            problems.add(f"{problems.source.name}:{at}: found {found}, expected {expected}")
    return np.array(numbers, np.int64), np.array(values, np.int64).reshape(-1, columns)
