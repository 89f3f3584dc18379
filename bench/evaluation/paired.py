"""Two rows' scores of the same pairs, and what comparing them says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from bench.errors import DataError
from bench.evaluation.pairs import Bool, Float, Int, first_five


@dataclass(frozen=True)
class Comparison:
    """Row A minus row B: ``effect``, its interval [``low``, ``high``] at ``level``, and the two-sided ``p``.

    ``method`` says what was computed and ``n`` how many there were of each thing that it counts ("pairs", "seeds",
    "people", "replicates", …). ``effect``, ``se`` (its standard error), ``low`` and ``high`` are in ``unit``: "share",
    "percentage points", or "" for a metric that is a plain number. None: not measurable, or not part of the method.
    ``p_holm`` is p adjusted for the table.
    """

    method: str
    effect: float
    se: float | None
    low: float | None
    high: float | None
    level: float
    p: float | None
    n: Mapping[str, int] = field(hash=False)
    unit: str = "share"
    p_holm: float | None = None


@dataclass(frozen=True, eq=False)
class PairedScores:
    """The scores of rows A and B on one protocol, seed by seed: ``a[s]`` and ``b[s]`` were trained from one seed.

    ``a``, ``b``: (S, P) finite, higher is more alike, or (P,) for a single seed; ``same``: (P,) bool, both kinds;
    ``people``: (P, 2) integers, the identities of both sides; ``folds``: (P,) integers, or None where nothing needs
    them. Kept as float64, bool and int64. Raises DataError that names everything found wrong.
    """

    a: Float
    b: Float
    same: Bool
    people: Int
    folds: Int | None = None

    def __post_init__(self) -> None:
        a, b = (np.atleast_2d(np.asarray(scores, dtype=np.float64)) for scores in (self.a, self.b))
        same, people = np.asarray(self.same), np.asarray(self.people)
        folds = None if self.folds is None else np.asarray(self.folds)
        problems = _shape_problems(a, b, same, people, folds) or _value_problems(a, b, same, people)
        if problems:
            raise DataError("these scores cannot be compared: " + "; ".join(problems))
        kept = {"a": a, "b": b, "same": same, "people": people.astype(np.int64)}
        for name, array in kept.items():
            object.__setattr__(self, name, array)
        object.__setattr__(self, "folds", None if folds is None else folds.astype(np.int64))

    @property
    def seeds(self) -> int:
        return len(self.a)

    @property
    def pairs(self) -> int:
        return len(self.same)


def check_level(level: float) -> None:
    """DataError unless ``level`` is a share of certainty such as .95."""
    if not 0 < level < 1:
        raise DataError(f"the level of an interval must lie in (0, 1), found {level}")


def as_differences(differences: npt.ArrayLike, *, least: int) -> Float:
    """(S,) finite float64, one a seed; DataError for anything else or fewer than ``least``."""
    values = np.asarray(differences, dtype=np.float64)
    if values.ndim != 1 or len(values) < least:
        raise DataError(f"differences must be (S,), one a seed, with S ≥ {least}, found {values.shape}")
    if not np.isfinite(values).all():
        raise DataError(f"differences must be finite, found seed {first_five(np.flatnonzero(~np.isfinite(values)))}")
    return values


def _shape_problems(a: Float, b: Float, same: Bool, people: Int, folds: Int | None) -> list[str]:
    found = []
    if a.ndim != 2 or a.shape != b.shape or 0 in a.shape:
        found.append(f"a and b must be (S, P) of one shape, found {a.shape} and {b.shape}")
    pairs = a.shape[-1]
    if same.shape != (pairs,) or same.dtype != np.bool_:
        found.append(f"same must be ({pairs},) boolean, found {same.shape} {same.dtype}")
    for name, array, shape in (("people", people, (pairs, 2)), ("folds", folds, (pairs,))):
        if array is not None and (array.shape != shape or not np.issubdtype(array.dtype, np.integer)):
            found.append(f"{name} must be {shape} integers, found {array.shape} {array.dtype}")
    return found


def _value_problems(a: Float, b: Float, same: Bool, people: Int) -> list[str]:
    found = [
        f"row {row} has NaN or infinity in seed {seed} at pair {first_five(wrong)}"
        for row, scores in (("A", a), ("B", b))
        for seed, values in enumerate(scores)
        if len(wrong := np.flatnonzero(~np.isfinite(values)))
    ]
    if same.all() or not same.any():
        found.append(f"all {len(same)} pairs are {'genuine' if same.all() else 'impostor'}")
    wrong = np.flatnonzero((people[:, 0] == people[:, 1]) != same)
    if len(wrong):
        found.append(f"same and people contradict each other at pair {first_five(wrong)}")
    return found
