"""Something that was looked for, how often, and where it was found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Sized
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

from bench.data.formats._lists import printable
from bench.errors import SHOWN


@dataclass(frozen=True)
class Finding:
    """``count`` cases of ``what``, the first five of them in ``examples``; ``checked``: how many were looked at."""

    what: str
    checked: int
    count: int
    examples: tuple[str, ...] = ()

    def record(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def finding(what: str, checked: int, found: Sized, described: Iterable[str]) -> Finding:
    """Counts ``found``; no more of the descriptions are made than will be shown."""
    shown = islice(described, min(SHOWN, len(found)))
    return Finding(what, checked, len(found), tuple(printable(text) for text in shown))


def told(what: str, checked: int, texts: Sequence[str]) -> Finding:
    """A finding that is told by its own texts."""
    return finding(what, checked, texts, texts)


def equal(names: Sequence[str]) -> str:
    """Names that are the same in some way: up to five, and how many there are."""
    more = f" = … ({len(names):,} in all)" if len(names) > SHOWN else ""
    return " = ".join(names[:SHOWN]) + more
