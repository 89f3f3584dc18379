"""RegularFace's exclusive regularisation: each class is pushed away from its nearest neighbour."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.catalog import TERMS
from bench.losses.terms._options import drawn, every, sample

if TYPE_CHECKING:
    from torch import Tensor

    from bench.losses.types import TermInput


@TERMS.register(
    "regularface",
    summary="mean over classes of the largest cosine to another class's centre",
    source="Zhao et al., CVPR 2019, the exclusive loss; weight 10: the authors' code, where it goes from 6 to 15",
    options=(every, sample),
    place="between",
    weight=10.0,
)
def regularface(batch: TermInput, *, sample: int | None) -> Tensor:
    """(1/n) Σ_i max_{j≠i} cos ∠(c_i, c_j), () in [−1, 1].

    C²·d products a step to find the neighbours, k·C·d with ``sample`` k; only the n chosen pairs are differentiated.
    The gradient reaches both centres of a pair. With Partial FC the n classes are those of the step, which makes
    neighbours rarer and the value smaller. A single class has no neighbour: 0.
    """
    from torch.nn.functional import normalize

    from bench.losses.pairs import nearest_others

    centres = batch.centres
    if len(centres) < 2:
        return centres.new_zeros(())
    rows = drawn(batch, sample, "regularface")
    chosen = centres if rows is None else centres[rows]
    neighbours = centres[nearest_others(centres.detach(), rows)]
    return (normalize(chosen) * normalize(neighbours)).sum(dim=1).mean()
