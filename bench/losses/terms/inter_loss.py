"""ArcFace's own Inter-Loss: the angles from the batch's centres to all others are enlarged."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bench.catalog import TERMS
from bench.losses.terms._options import every

if TYPE_CHECKING:
    from torch import Tensor

    from bench.losses.types import TermInput


def share(angle: Tensor) -> Tensor:
    """Share of a half turn."""
    return angle / math.pi


@TERMS.register(
    "inter_loss",
    summary="−1/π times the mean angle from the centres of the batch's classes to all others",
    source="arXiv:1801.07698, Inter-Loss; weight 1 there",
    options=(every,),
    place="between",
    weight=1.0,
)
def inter_loss(batch: TermInput) -> Tensor:
    """−(1/(πB)) Σ_i (1/(n−1)) Σ_{j≠y_i} arccos(ĉ_{y_i}·ĉ_j), () in [−1, 0]; a class counts as often as it is drawn.

    3·B·C·d products a step, as many as the logits: its rows are the batch's, so it takes no ``sample``. With Partial
    FC j runs over the classes of the step. A single class has no pair: 0.
    """
    from bench.losses.pairs import mean_over_pairs

    return -mean_over_pairs(batch.centres, share, batch.rows)
