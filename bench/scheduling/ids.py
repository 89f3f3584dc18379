"""Ids of many runs at little more than the price of one: what they share is put into canonical text once.

The ids are what ``bench.records.digest`` gives for the whole values; only the way there is shorter.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from bench.records import canonical

T = TypeVar("T")
V = TypeVar("V")


@dataclass
class Once:
    """Remembers what a function made of an object. The objects are kept, so no other one takes the place of their id.

    For frozen blocks that many cells share: comparing them would cost more than the work that is saved.
    """

    _made: dict[tuple[object, int], tuple[object, Any]] = field(default_factory=dict)

    def __call__(self, make: Callable[[V], T], of: V) -> T:
        key = make, id(of)
        found = self._made.get(key)
        if found is None:
            found = self._made[key] = of, make(of)
        made: T = found[1]
        return made


def digest_of_text(*texts: str) -> str:
    """As ``bench.records.digest``, of a value whose canonical text these are, one after another."""
    return hashlib.sha256("".join(texts).encode()).hexdigest()[:16]


def texts_of(config: Mapping[str, Any], once: Once) -> dict[str, str]:
    """The canonical text of each field."""
    return {name: once(canonical, part) for name, part in config.items()}


def text_of(texts: Mapping[str, str]) -> str:
    """The canonical text of a configuration from those of its fields."""
    return "{" + ",".join([f'"{name}":{texts[name]}' for name in sorted(texts)]) + "}"


class Seeded:
    """Digests of a configuration with one seed or another: what stands before the seed is hashed once."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        start, mark, end = text_of({**texts, "seed": "\0"}).partition("\0")  # which no JSON text holds
        assert mark
        self._start, self._end = hashlib.sha256(start.encode()), end.encode()

    def digest(self, seed: int) -> str:
        found = self._start.copy()
        found.update(b"%d" % seed)
        found.update(self._end)
        return found.hexdigest()[:16]
