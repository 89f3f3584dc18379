"""What the readers share: list files read line by line, what is wrong in them told at once, names checked in paths."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from bench.errors import SHOWN, DataError

IMAGE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".webp")
DELIMITERS = {"comma": ",", "tab": "\t", "space": " "}

# Far beyond two paths and their labels; a longer line means that the file is something else.
LONGEST_LINE = 1 << 16
LONGEST_QUOTE = 100
LONGEST_NAME = 255
MOST_DIGITS = 18
LEADING_ELSEWHERE = frozenset("/\\:\0")


class Problems:
    """What is wrong in a source: the first five problems in words, and how many there are."""

    def __init__(self, source: Path) -> None:
        self.source, self.count = source, 0
        self._shown: list[str] = []

    def add(self, problem: str) -> None:
        self.add_all(range(1), [problem])

    def extend(self, problems: Iterable[str]) -> None:
        for problem in problems:
            self.add(problem)

    def add_all(self, wrong: Sized, described: Iterable[str]) -> None:
        """As many problems as ``wrong`` has entries; no more of the descriptions are made than will be shown."""
        self._shown += islice(described, min(len(wrong), SHOWN - len(self._shown)))
        self.count += len(wrong)

    def refuse(self) -> None:
        """Raises DataError naming up to five problems and how many there are; returns when there are none."""
        if self.count == 0:
            return
        shown = [printable(problem) for problem in self._shown]
        if self.count == 1:
            raise DataError(f"{self.source}: {shown[0]}")
        more = [f"… and {self.count - SHOWN} more"] if self.count > SHOWN else []
        raise DataError("\n  ".join([f"{self.source}: {self.count} problems:", *shown, *more]))


def refuse(source: Path, problems: Iterable[str]) -> None:
    """Raises DataError naming up to five problems and how many there are; returns when there are none."""
    found = Problems(source)
    found.extend(problems)
    found.refuse()


def printable(text: str) -> str:
    """The text with what a terminal cannot show (control characters, bytes that are no UTF-8) escaped."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def quoted(text: str) -> str:
    """The text as an error shows it: in quotes, and cut where it is long."""
    if len(text) <= LONGEST_QUOTE:
        return repr(text)
    return f"{text[:LONGEST_QUOTE]!r}… ({len(text)} characters)"


def folder_at(path: Path, what: str) -> Path:
    """The path itself. Raises DataError where it is no folder, listing what lies beside it."""
    if path.is_dir():
        return path
    parent = path.parent
    beside = sorted(p.name for p in parent.iterdir())[:SHOWN] if parent.is_dir() else []
    found = f"{parent} holds {', '.join(map(printable, beside))}, …" if beside else f"{parent} is empty or missing"
    raise DataError(f"no folder {path} ({what}); {found}")


def lines_of(file: Path) -> list[tuple[int, str]]:
    """The lines that are not blank, stripped, each with its number from 1. LF, CRLF, byte-order mark: all the same.

    Raises DataError for what is no file or no UTF-8 text, with the line.
    """
    return list(each_line(file))


def each_line(file: Path) -> Iterator[tuple[int, str]]:
    """The same as ``lines_of``, one line after the other, for lists too long to be held."""
    with open_list(file) as stream:
        number = 0
        while raw := stream.readline(LONGEST_LINE + 1):
            number += 1
            line = _text(raw, number)
            if stripped := (line.removeprefix("\ufeff") if number == 1 else line).strip():
                yield number, stripped


@contextmanager
def open_list(file: Path) -> Iterator[BinaryIO]:
    """The file's bytes. OSError and ValueError from opening or reading it become a DataError that names it."""
    try:
        if not file.is_file():
            if file.exists():
                raise ValueError("it is no file")
            raise DataError(f"no list file {file}")
        with file.open("rb") as stream:
            yield stream
    except (OSError, ValueError) as error:
        raise DataError(f"list file {file} cannot be read: {error}") from None


def _text(raw: bytes, number: int) -> str:
    if len(raw) > LONGEST_LINE:
        raise ValueError(f"line {number} is longer than {LONGEST_LINE:,} bytes")
    if b"\0" in raw:
        raise ValueError(f"line {number} holds a NUL byte, so it is no text")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"line {number} is not UTF-8 ({error.reason})") from None


def fields_of(line: str, delimiter: str) -> list[str]:
    """A line's fields, stripped; a field in double quotes may hold the delimiter. Spaces delimit in runs.

    A line whose quotes do not pair gives no fields.
    """
    if '"' not in line:
        fields = [field.strip() for field in line.split(delimiter)]
        return [field for field in fields if field] if delimiter == " " else fields
    try:
        (fields,) = csv.reader([line], delimiter=delimiter, strict=True, skipinitialspace=True)
    except csv.Error:
        return []
    return [field.strip() for field in fields]


def is_plain_name(name: str) -> bool:
    """Whether a name from a file may be used as one part of a path: nothing in it can lead elsewhere."""
    return name not in ("", ".", "..") and len(name) <= LONGEST_NAME and LEADING_ELSEWHERE.isdisjoint(name)


def safe_path(text: str) -> str | None:
    """A relative path from a file, without ``./``; None where it is absolute, leads upwards or is no path at all."""
    parts = [part for part in text.split("/") if part != "."]
    return "/".join(parts) if parts and all(map(is_plain_name, parts)) else None


def below(root: Path, option: str, text: str) -> Path:
    """What an option names below the root. Raises DataError where it leads elsewhere."""
    path = safe_path(text)
    if path is None:
        raise DataError(f"{root}: option {option} must be a path below it, found {quoted(text)}")
    return root / path


def is_number(text: str) -> bool:
    """Whether a field is a whole number from 0 that fits int64."""
    return text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS


def natural(name: str) -> tuple[str | int, ...]:
    """Sort key in which numbers count as numbers: ``0.9.jpg`` before ``0.10.jpg``."""
    parts = re.split(r"([0-9]+)", name)
    return *(int(part) if i % 2 else part for i, part in enumerate(parts)), name
