"""Distinct genuine and impostor pairs within the identities of one fold. Torch-free."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, permutations
from math import prod
from typing import NamedTuple

import numpy as np


class Item(NamedTuple):
    """The ``number``-th image or video of an identity, both from 0."""

    identity: int
    number: int


Pair = tuple[Item, Item]


def alike(people: Sequence[int], items: int, count: int, rng: np.random.Generator) -> tuple[list[Pair], list[Pair]]:
    """``count`` genuine and ``count`` impostor pairs among the ``items`` of each person; no pair comes twice, nor
    turned round. The caller has made sure that there are that many (``SyntheticSpec`` does)."""
    within, couples = list(combinations(range(items), 2)), list(combinations(people, 2))
    genuine = [(people[k], *within[w]) for k, w in _picks(count, (len(people), len(within)), rng)]
    impostor = [(*couples[c], i, j) for c, i, j in _picks(count, (len(couples), items, items), rng)]
    return (
        [(Item(who, i), Item(who, j)) for who, i, j in genuine],
        [(Item(a, i), Item(b, j)) for a, b, i, j in impostor],
    )


def across(
    people: Sequence[int], left: int, right: int, count: int, rng: np.random.Generator
) -> tuple[list[Pair], list[Pair]]:
    """As ``alike``, between two kinds of items: the first of ``left`` (frontal), the second of ``right`` (profile)."""
    couples = list(permutations(people, 2))
    genuine = [(people[k], people[k], i, j) for k, i, j in _picks(count, (len(people), left, right), rng)]
    impostor = [(*couples[c], i, j) for c, i, j in _picks(count, (len(couples), left, right), rng)]
    return (
        [(Item(a, i), Item(b, j)) for a, b, i, j in genuine],
        [(Item(a, i), Item(b, j)) for a, b, i, j in impostor],
    )


def _picks(count: int, shape: tuple[int, ...], rng: np.random.Generator) -> list[tuple[int, ...]]:
    """``count`` distinct index tuples into an array of ``shape``, in order."""
    ranks = np.sort(rng.choice(prod(shape), count, replace=False))
    return list(zip(*(axis.tolist() for axis in np.unravel_index(ranks, shape)), strict=True))
