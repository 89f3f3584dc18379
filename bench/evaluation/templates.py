"""From raw embeddings to scores: unit length, pooling of templates, cosines of pairs, all in bounded memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from bench.data.types import Int
from bench.errors import DataError, some

Floats = npt.NDArray[np.float32]
SHORTEST = 1e-12
# Rows at a time: what a core's cache holds is three times as fast as what it does not.
CHUNK = 1024


def unit_rows(raw: npt.ArrayLike, names: Sequence[str]) -> Floats:
    """Embeddings (N, d) at length 1, float32, of raw ones; ``names`` (N) for messages.

    Raises DataError naming the rows that are zero or not finite, in float32: they have no direction.
    """
    import torch

    with np.errstate(over="ignore"):
        rows = np.asarray(raw, np.float32)
    unit = torch.nn.functional.normalize(torch.from_numpy(rows))
    length = torch.linalg.vector_norm(torch.from_numpy(rows), dim=1).numpy()
    wrong = np.flatnonzero(~(np.isfinite(length) & (length >= SHORTEST)))
    if len(wrong):
        kinds = [f"{names[row]} ({'zero' if length[row] < SHORTEST else 'not finite'})" for row in wrong.tolist()]
        raise DataError(f"{len(wrong)} of {len(rows)} embeddings are zero or not finite in float32: {some(kinds)}")
    result: Floats = unit.numpy()
    return result


def pool(embeddings: Floats, template: Int, count: int, media: Int | None = None) -> Floats:
    """Unit embeddings (T, d) of templates: the mean of their media's means, normalised.

    ``embeddings``: (N, d), unit length; ``template``: (N,) int64 below ``count`` = T. Images of a template with one
    number of ``media`` (N,) are one medium (frames of a video), averaged before the template's media are; without
    ``media`` each image counts alike.
    """
    weight = np.ones(len(template)) if media is None else _share_of_its_medium(template, media)
    sums = np.zeros((count, embeddings.shape[1]), np.float64)
    for start in range(0, len(template), CHUNK):
        part = slice(start, start + CHUNK)
        np.add.at(sums, template[part], embeddings[part].astype(np.float64) * weight[part, None])
    norms = np.linalg.norm(sums, axis=1, keepdims=True)
    unit: Floats = (sums / np.maximum(norms, SHORTEST)).astype(np.float32)
    return unit


def _share_of_its_medium(template: Int, media: Int) -> npt.NDArray[np.float64]:
    """(N,) 1 / (images of the same template and medium): only the direction of a template's sum matters."""
    _, medium, images = np.unique(np.stack([template, media]), axis=1, return_inverse=True, return_counts=True)
    share: npt.NDArray[np.float64] = 1 / images[medium.ravel()]
    return share


def pair_scores(templates: Floats, pairs: Int) -> Floats:
    """Cosine (P,) float32 of each pair (P, 2) of unit embeddings, computed in float64."""
    scores = np.empty(len(pairs), np.float32)
    for start in range(0, len(pairs), CHUNK):
        part = slice(start, start + CHUNK)
        first, second = templates[pairs[part, 0]].astype(np.float64), templates[pairs[part, 1]].astype(np.float64)
        scores[part] = np.einsum("pd,pd->p", first, second)
    return scores
