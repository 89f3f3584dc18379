"""Options that the terms between classes share, and the draw of one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.catalog import Option

if TYPE_CHECKING:
    from torch import Tensor

    from bench.losses.types import TermInput

every = Option("every", 1, "evaluated at each n-th step, n times as strong", "steps", minimum=1)
sample = Option(
    "sample", None, "classes drawn at each step, compared with all; null: all of them", "classes", kind=int, minimum=1
)


def drawn(batch: TermInput, sample: int | None, use: str) -> Tensor | None:
    """``sample`` of the step's classes, (k,) int64 rows of ``batch.centres``, none twice; None for all of them.

    All are taken where there are no more than that. Raises ValueError where the step is needed and not known.
    """
    from torch import randperm

    if sample is None or sample >= len(batch.centres):
        return None
    order = randperm(len(batch.centres), generator=batch.moment.generator(use))
    return order[:sample].to(batch.centres.device)
