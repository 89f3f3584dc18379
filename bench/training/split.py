"""Which images train and which validate, and their labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.data.types import Int
from bench.errors import BenchError
from bench.suite.seeds import seed_for


def split_identities(labels: Int, validation: dict[str, Any] | None) -> tuple[Int, Int]:
    """Rows (indices into ``labels``) for training and for validation: whole identities, by the split's own seed."""
    rows = np.arange(len(labels))
    if validation is None:
        return rows, rows[:0]
    people = int(labels.max()) + 1
    held = round(people * float(validation["identities"]))
    if not 2 <= held <= people - 2:
        raise BenchError(
            f"data.validation.identities: {held} of {people} identities held out; both parts need at least 2"
        )
    order = np.random.default_rng(seed_for("validation", seed=int(validation["seed"]))).permutation(people)
    out = np.isin(labels, order[:held])
    return rows[~out], rows[out]


def relabel(labels: Int) -> Int:
    """Labels numbered anew from 0 without gaps."""
    return np.unique(labels, return_inverse=True)[1].astype(np.int64)
