"""UniformFace's uniform loss: centres repel each other like charges on the sphere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.catalog import TERMS
from bench.losses.terms._options import drawn, every, sample

if TYPE_CHECKING:
    from torch import Tensor

    from bench.losses.types import TermInput


def potential(angle: Tensor) -> Tensor:
    """1/(distance + 1) of unit centres at an angle, radians."""
    return 1 / (1 + 2 * (angle / 2).sin())


@TERMS.register(
    "uniformface",
    summary="mean over pairs of centres of 1/(distance + 1), the distance between unit centres",
    source="Duan et al., CVPR 2019, the uniform loss; weight 1 there",
    options=(every, sample),
    place="between",
    weight=1.0,
)
def uniformface(batch: TermInput, *, sample: int | None) -> Tensor:
    """(1/(n(n−1))) Σ_i Σ_{j≠i} 1/(‖c_i/‖c_i‖ − c_j/‖c_j‖‖ + 1), () in [1/3, 1].

    2·C²·d products a step, 3·k·C·d with ``sample`` k. With Partial FC over the classes of the step. Differs from the
    paper in what a centre is: there a running mean of a class's embeddings, here the classifier's own row, so that the
    term is a function of what is trained. A single class has no pair: 0.
    """
    from bench.losses.pairs import mean_over_pairs

    return mean_over_pairs(batch.centres, potential, drawn(batch, sample, "uniformface"))
