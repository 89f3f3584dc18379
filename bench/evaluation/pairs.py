"""What scores, labels and folds must be before anything is computed from them."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from bench.errors import DataError, UnknownNameError, unknown_name

Float = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]

Direction = Literal["similarity", "distance"]
"""Whether a higher score means more alike (similarity) or less alike (distance)."""


def sign(direction: Direction) -> int:
    """1 for a similarity, −1 for a distance: the factor that makes higher mean more alike, and back."""
    if direction not in get_args(Direction):
        raise UnknownNameError(unknown_name("direction of scores", str(direction), get_args(Direction)))
    return 1 if direction == "similarity" else -1


def check_pairs(scores: npt.ArrayLike, same: npt.ArrayLike, direction: Direction) -> tuple[Float, Bool]:
    """Scores (P,) float64 of which higher is more alike, and same (P,) bool.

    Raises DataError where they cannot be that, or where one kind of pair is missing.
    """
    values, genuine = np.asarray(scores), np.asarray(same)
    if values.ndim != 1 or values.shape != genuine.shape:
        raise DataError(f"scores and same must be (P,) of one length, found {values.shape} and {genuine.shape}")
    if genuine.dtype != np.bool_:
        raise DataError(f"same must be boolean (True: one person), found {genuine.dtype}")
    values = finite(values, "pair") * sign(direction)
    count = int(genuine.sum())
    if count in (0, len(genuine)):
        raise DataError(
            f"genuine and impostor pairs are both needed, found {count} genuine and {len(genuine) - count} impostor"
        )
    return values, genuine


def check_folds(folds: npt.ArrayLike, pairs: int) -> Int:
    """Folds (P,) int64; DataError where they cannot be that."""
    fold = np.asarray(folds)
    if fold.shape != (pairs,) or not np.issubdtype(fold.dtype, np.integer):
        raise DataError(f"folds must be ({pairs},) integers, found {fold.shape} {fold.dtype}")
    return fold.astype(np.int64)


def check_kinds(genuine: npt.ArrayLike, impostor: npt.ArrayLike, direction: Direction) -> tuple[Float, Float]:
    """Genuine (M,) and impostor (N,) scores as float64 of which higher is more alike; DataError if there are none."""
    found = []
    for kind, given in (("genuine", genuine), ("impostor", impostor)):
        values = finite(given, f"{kind} pair")
        if values.ndim != 1 or not len(values):
            raise DataError(f"{kind} scores must be (N,) with at least one pair, found {values.shape}")
        found.append(values * sign(direction))
    return found[0], found[1]


def finite(scores: npt.ArrayLike, what: str) -> Float:
    """Scores as float64; DataError for anything that is not a finite real number, saying where."""
    given = np.asarray(scores)
    if given.size and given.dtype.kind not in "fiu":
        raise DataError(f"scores must be real numbers, found {given.dtype}")
    values: Float = given.astype(np.float64)
    wrong = np.flatnonzero(~np.isfinite(values))
    if len(wrong):
        raise DataError(f"scores must be finite, found NaN or infinity at {what} {first_five(wrong)}")
    return values


def first_five(indices: Int) -> str:
    """The first five in words, and how many there are in all."""
    return ", ".join(map(str, indices[:5])) + (f", … ({len(indices)} in all)" if len(indices) > 5 else "")
