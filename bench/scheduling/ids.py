"""Ids of many runs at little more than the price of one: what they share is put into canonical text once.

The ids are what ``bench.store.digest`` gives for the whole values; only the way there is shorter.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from bench.store import canonical

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
        if key not in self._made:
            self._made[key] = of, make(of)
        made: T = self._made[key][1]
        return made


def digest_of_text(text: str) -> str:
    """As ``bench.store.digest``, of a value that is in canonical text already."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class ConfigText:
    """A configuration without its seed in canonical text, cut in two where the seed belongs."""

    head: str
    tail: str

    @staticmethod
    def of(config: Mapping[str, Any], once: Once) -> ConfigText:
        parts = [(key, f'"{key}":{once(canonical, config[key])}') for key in sorted(config)]
        head = ",".join(text for key, text in parts if key < "seed")
        return ConfigText(head, ",".join(text for key, text in parts if key > "seed"))

    @property
    def whole(self) -> str:
        return "{" + ",".join(filter(None, (self.head, self.tail))) + "}"

    def seeded(self, seed: int) -> str:
        return "{" + ",".join(filter(None, (self.head, f'"seed":{seed}', self.tail))) + "}"
