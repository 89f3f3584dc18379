"""The values that pass between head, margins, gates and their callers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class GateInput:
    """What a gate may see of a batch. Everything is detached; float32 or float64 unless said.

    ``posterior``: (B,) p of the target as the base loss has it. ``target_logit``: (B,) with its margin.
    ``hardest_negative``: (B,) largest logit among the negatives, None with a single class. ``embedding``, ``centre``:
    (B, d) unit embedding and unit centre of the target. ``theta``: (B,) radians between them. ``labels``: (B,) int64.
    ``state``: the gate's own buffers, by name.
    """

    posterior: Tensor
    target_logit: Tensor
    hardest_negative: Tensor | None
    embedding: Tensor
    centre: Tensor
    theta: Tensor
    labels: Tensor
    state: Mapping[str, Tensor]


@dataclass(frozen=True)
class LossOutput:
    """What the head returns. Only ``loss`` carries a gradient.

    ``loss``: () base plus term, mean over the batch. ``base``: () its first part; ``term``: () its second, strength
    included, None where the term is not evaluated. Per sample, (B,): ``target_angle`` θ in radians, ``posterior`` p,
    and ``pull`` = ∂(loss of the sample)/∂θ with the negatives' cosines held fixed.
    """

    loss: Tensor
    base: Tensor
    term: Tensor | None
    target_angle: Tensor
    posterior: Tensor
    pull: Tensor
