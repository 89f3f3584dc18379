"""Cosines without rounding error in their sums: one pair has one score, wherever and on whatever it is computed.

The rounding of a matrix product depends on the order of its sums, hence on the tile, the threads, the BLAS and the
device; a count at a threshold would depend on them too. Here there is nothing to round. Unit embeddings are rounded to
multiples of 2⁻²⁶. Their products are multiples of 2⁻⁵², no partial sum reaches 2 (Cauchy-Schwarz), and float64 holds
every multiple of 2⁻⁵² up to 2. The exact sum is then rounded once, to the nearest multiple of 2⁻²⁴ (a tie to the even
one), which float32 holds. So a score is the cosine to within √d·2⁻²⁶ + 2⁻²⁵ at worst, about 3e-8 as a rule.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from bench.errors import DataError, DeviceError
from bench.evaluation.pairs import Int

if TYPE_CHECKING:
    import torch

Rows = npt.NDArray[np.int32]

ROW_UNIT = 2**26  # an embedding's coordinates are integers in units of 1 / ROW_UNIT
STEPS = 2**24  # a score is a whole number of steps of 1 / STEPS, from −STEPS to STEPS
PRODUCT_UNIT = ROW_UNIT**2 // STEPS  # units of a product in one step
_CHUNK = 2048  # embeddings that are float64 at a time


def whole_rows(embeddings: npt.ArrayLike, order: Int | None = None) -> Rows:
    """The embeddings (N, d) at length 1, in units of 2⁻²⁶: (N, d) int32; with ``order``, row i is ``order[i]``'s.

    Only IEEE operations in a fixed order go into it, so that the result is the same on every machine. Raises DataError
    for embeddings that are not real numbers (N, d), or are zero or not finite, naming rows as given.
    """
    given = _table(embeddings)
    which = np.arange(len(given)) if order is None else order
    rows = np.empty(given.shape, np.int32)
    wrong: list[int] = []
    for start in range(0, len(which), _CHUNK):
        chunk = which[start : start + _CHUNK]
        coordinates = given[chunk].T.astype(np.float64)
        with np.errstate(over="ignore"):
            # Added one after another: NumPy's own sum along a row takes the order that suits the processor.
            length = np.sqrt(sum(np.square(coordinates)))
        sound = np.isfinite(length) & (length > 1e-12)
        wrong += chunk[~sound].tolist()
        rows[start : start + len(chunk)][sound] = np.rint(coordinates[:, sound] / length[sound] * ROW_UNIT).T
    if wrong:
        shown = ", ".join(map(str, sorted(wrong)[:5]))
        raise DataError(
            f"{len(wrong)} of {len(given)} embeddings are zero or not finite (rows {shown}{', …' * (len(wrong) > 5)})"
        )
    return rows


def check_templates(embeddings: npt.ArrayLike, identity: npt.ArrayLike) -> tuple[npt.NDArray[np.number], Int]:
    """Both as arrays, (N, d) and (N,) int64; DataError unless they are real numbers and an integer for each row."""
    given = _table(embeddings)
    return given, check_identities(identity, len(given))


def check_identities(identity: npt.ArrayLike, count: int) -> Int:
    """Identities as (N,) int64; DataError unless they are ``count`` integers."""
    labels = np.asarray(identity)
    if labels.shape != (count,) or not np.issubdtype(labels.dtype, np.integer):
        raise DataError(f"identities must be ({count},) integers, found {labels.shape} {labels.dtype}")
    return labels.astype(np.int64)


def _table(embeddings: npt.ArrayLike) -> npt.NDArray[np.number]:
    given = np.asarray(embeddings)
    if given.ndim != 2 or given.shape[1] == 0 or given.dtype.kind not in "fiu":
        raise DataError(f"embeddings must be real numbers (N, d) with d ≥ 1, found {given.shape} {given.dtype}")
    return given


def on_device(rows: Rows, device: str | torch.device) -> torch.Tensor:
    """The rows as a tensor there. Raises DeviceError for a device that is absent or has no float64."""
    import torch

    try:
        chosen = torch.device(device)
    except RuntimeError:
        raise DeviceError(f"a device must be cpu, cuda or cuda:N, found {str(device)!r}") from None
    if chosen.type not in ("cpu", "cuda"):
        raise DeviceError(f"exact cosines need float64 products, so cpu or cuda, found device {str(device)!r}")
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise DeviceError(f"device is {str(device)!r}, but torch sees {torch.cuda.device_count()} CUDA devices here")
    return torch.from_numpy(rows).to(chosen)


def steps(product: torch.Tensor) -> torch.Tensor:
    """Scores, in steps of 2⁻²⁴, of float64 products of `whole_rows`; float64 too, which holds them exactly.

    Equal embeddings can come out a few steps above 1, which their rows' rounding explains: they score 1.
    """
    return (product / PRODUCT_UNIT).round_().clamp_(-STEPS, STEPS)
