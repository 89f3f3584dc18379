"""ArcFace's own Intra-Loss: the angle of each sample to its own centre."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bench.catalog import TERMS

if TYPE_CHECKING:
    from torch import Tensor

    from bench.losses.types import TermInput


@TERMS.register(
    "intra_loss",
    summary="mean of θ/π",
    source="arXiv:1801.07698, Intra-Loss; weight 1 there",
    place="within",
    weight=1.0,
)
def intra_loss(batch: TermInput) -> Tensor:
    """(1/(πB)) Σ_i θ_i, () in [0, 1]; θ to the nearest where a class has several centres. No products of its own.

    Its pull is 1/π for every sample. The enhancement with gate ``uniform``, profile ``angle`` and λ = 1/(πs) is this
    term with weight 1.
    """
    return batch.theta.mean() / math.pi
