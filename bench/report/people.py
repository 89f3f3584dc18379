"""Whom the pairs of a protocol show, as numbers without names: what comparing stored scores needs beside them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from bench.data.cache import cache_root
from bench.data.protocols import pair_people
from bench.data.types import Int
from bench.errors import DataError
from bench.store import Store


@dataclass(frozen=True, eq=False)
class People:
    """``pairs``: (P, 2) int64, the people on both sides; ``named``: False where they are made up from genuine pairs."""

    pairs: Int
    named: bool


def people_of(store: Store, protocol: str, cache: Path | None = None) -> People:
    """The people of a packed protocol; where it is not in the cache, those that an export brought along.

    Raises DataError where neither has them.
    """
    try:
        return People(*pair_people(cache or cache_root(), protocol))
    except DataError as error:
        content = store.people(protocol)
        if content is None:
            raise DataError(f"{error}, and no export brought its people along") from None
        return read_people(content, f"the people of protocol {protocol[:12]}…")


def people_bytes(people: People) -> bytes:
    return save({"people": people.pairs.astype(np.int64), "named": np.array([people.named])})


def read_people(content: bytes, where: str) -> People:
    """What `people_bytes` made. Raises DataError for anything else."""
    try:
        arrays = load(content)
        pairs, named = arrays["people"], arrays["named"]
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{where} cannot be read ({error})") from None
    if pairs.ndim != 2 or pairs.shape[1:] != (2,) or pairs.dtype != np.int64 or named.shape != (1,):
        raise DataError(f"{where}: must be (P, 2) int64, found {pairs.shape} {pairs.dtype}")
    return People(pairs, bool(named[0]))
