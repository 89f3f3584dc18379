"""Errors a user can mend. Everything else is a bug and keeps its traceback."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

SHOWN = 5
"""Of many problems, how many a message names."""


class BenchError(Exception):
    """A clear, one-line reason that something cannot be done; the command line prints it without a traceback."""

    exit_code = 1


class DataError(BenchError):
    """A data set, protocol file or image is missing, unreadable or contradicts itself."""


class StoreError(BenchError):
    """The results folder cannot be read or written, or holds something it should not."""


class DeviceError(BenchError):
    """The suite asks for a device or precision that this machine does not have."""


class NonFiniteLossError(BenchError):
    """Training met a loss or gradient that is NaN or infinite."""


class UnknownNameError(BenchError, LookupError):
    """A name is not registered; the message holds the nearest and all known names."""

    exit_code = 2


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name most like ``name``, or None if none is close."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return close[0] if close else None


def unknown_name(what: str, name: str, known: Iterable[str], *, show: int = 20) -> str:
    """Text for an unknown name: what was found, the nearest, and what is allowed."""
    names = sorted(known)
    near = nearest(name, names)
    hint = f"; did you mean {near!r}?" if near else ""
    more = f", … ({len(names)} in all)" if len(names) > show else ""
    return f"unknown {what} {name!r}{hint} (allowed: {', '.join(names[:show])}{more})"


def some(problems: Sequence[str]) -> str:
    """Up to five problems, and how many more there are."""
    more = f"; … and {len(problems) - SHOWN} more ({len(problems)} in all)" if len(problems) > SHOWN else ""
    return "; ".join(problems[:SHOWN]) + more


@dataclass(frozen=True)
class Mistake:
    """One thing wrong in a suite file."""

    file: str
    line: int | None
    field: str
    problem: str

    def __str__(self) -> str:
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{where}: {self.field}: {self.problem}" if self.field else f"{where}: {self.problem}"


class SuiteError(BenchError):
    """A suite file (or an override) is wrong; holds every mistake that was found."""

    exit_code = 2

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(str(m) for m in self.mistakes))
