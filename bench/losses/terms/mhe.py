"""Minimum hyperspherical energy: s-energy of the centres. SphereFace+ is SphereFace with this term."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bench.catalog import TERMS, Option
from bench.losses.terms._options import drawn, every, sample

if TYPE_CHECKING:
    from torch import Tensor

    from bench.losses.types import TermInput


@TERMS.register(
    "mhe",
    summary="mean over pairs of centres of distance^−power, −log distance for power 0",
    source="arXiv:1805.09298, eq. 1; weight 1: OpenSphere's SphereFace+, which has the angle and power 2",
    options=(
        Option("power", 2, "s of the s-energy", source="arXiv:1805.09298, of 0, 1, 2", minimum=0, maximum=2),
        Option(
            "distance",
            "euclidean",
            "between unit centres: euclidean, or the angle in radians (the paper's A-MHE)",
            choices=("euclidean", "angle"),
        ),
        Option("half_space", False, "count every centre's opposite as well, so that lines are spread instead of rays"),
        every,
        sample,
    ),
    place="between",
    weight=1.0,
)
def mhe(batch: TermInput, *, power: int, distance: str, half_space: bool, sample: int | None) -> Tensor:
    """(1/(n(n−1))) Σ_i Σ_{j≠i} f_s(z_ij), (), where f_s(z) = z^−s, f_0(z) = −log z.

    z_ij is ‖ĉ_i − ĉ_j‖ or the angle ∠(c_i, c_j). 2·C²·d products a step, 3·k·C·d with ``sample`` k. With Partial FC
    over the classes of the step. With ``half_space`` f_s(z_ij) becomes the mean of itself and of that to −c_j: the
    paper's energy of the 2n centres and opposites but for the constant pairs of opposites and a factor (2n−2)/(2n−1).
    Unlike the authors' code the angle is not divided by π, and f_0 takes the distance, not its square (half the value).
    A single class has no pair: 0.
    """
    from bench.losses.pairs import mean_over_pairs

    def energy(angle: Tensor) -> Tensor:
        z = angle if distance == "angle" else 2 * (angle / 2).sin()
        return -z.log() if power == 0 else z**-power

    def both_sides(angle: Tensor) -> Tensor:
        return (energy(angle) + energy(math.pi - angle)) / 2

    return mean_over_pairs(batch.centres, both_sides if half_space else energy, drawn(batch, sample, "mhe"))
