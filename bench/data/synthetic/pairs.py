"""Distinct genuine and impostor pairs within the identities of one fold. Torch-free."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np


class Item(NamedTuple):
    """The ``number``-th image or video of an identity, both from 0."""

    identity: int
    number: int


Pair = tuple[Item, Item]


def alike(identities: Sequence[int], items: int, count: int, rng: np.random.Generator) -> tuple[list[Pair], list[Pair]]:
    """``count`` genuine and ``count`` impostor pairs among the ``items`` of each identity; no pair comes twice,
    turned round neither. The caller has made sure that there are that many (``SyntheticSpec`` does)."""

    def genuine() -> Pair:
        who = int(rng.choice(identities))
        i, j = sorted(rng.choice(items, 2, replace=False).tolist())
        return Item(who, i), Item(who, j)

    def impostor() -> Pair:
        a, b = sorted(rng.choice(identities, 2, replace=False).tolist())
        return Item(a, int(rng.integers(items))), Item(b, int(rng.integers(items)))

    return _distinct(count, genuine), _distinct(count, impostor)


def across(
    identities: Sequence[int], left: int, right: int, count: int, rng: np.random.Generator
) -> tuple[list[Pair], list[Pair]]:
    """As ``alike``, between two kinds of items: the first of ``left`` (frontal), the second of ``right`` (profile)."""

    def pair(a: int, b: int) -> Pair:
        return Item(a, int(rng.integers(left))), Item(b, int(rng.integers(right)))

    def genuine() -> Pair:
        who = int(rng.choice(identities))
        return pair(who, who)

    def impostor() -> Pair:
        a, b = rng.choice(identities, 2, replace=False).tolist()
        return pair(a, b)

    return _distinct(count, genuine), _distinct(count, impostor)


def _distinct(count: int, draw: Callable[[], Pair]) -> list[Pair]:
    found: set[Pair] = set()
    while len(found) < count:
        found.add(draw())
    return sorted(found)
