"""Center loss: embeddings as they are, drawn to running means of their classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.catalog import TERMS, Option

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from bench.losses.types import TermInput


def start(classes: int, embedding: int, generator: torch.Generator) -> dict[str, Tensor]:
    """A centre a class, all at the origin: the paper leaves it open, and so no direction comes first."""
    from torch import zeros

    return {"means": zeros(classes, embedding)}


def update(batch: TermInput, *, alpha: float) -> None:
    """c_j −= α · Σ_{y_i=j} (c_j − x_i) / (1 + count_j), eq. 4, for the batch's classes; the rest keep every bit.

    Each sample adds its own part, so that repeated labels are exact and nothing as long as all classes is made.
    """
    means, labels = batch.state["means"], batch.labels
    count = (labels[:, None] == labels).sum(dim=1, keepdim=True)
    steps = (batch.embedding - means[labels]) * alpha / (1 + count)
    means.index_add_(0, labels, steps.to(means.dtype))


@TERMS.register(
    "center_loss",
    summary="half the mean squared distance of embeddings, as they are, to running means of their classes",
    source="Wen et al., ECCV 2016, eq. 2 to 4; weight λ = .003 and α = .5 there",
    options=(Option("alpha", 0.5, "how far a running mean moves", source="the paper", above=0, maximum=1),),
    place="within",
    weight=0.003,
    start=start,
    update=update,
)
def center_loss(batch: TermInput) -> Tensor:
    """(1/(2B)) Σ_i ‖x_i − c_{y_i}‖², (), on raw embeddings; c carries no gradient. B·d products.

    The paper adds up over the batch where this takes the mean, but it adds up the softmax loss as well, so λ weighs the
    two alike (the authors' own layer divides by the batch, too). State: means, (C, d), of all classes whatever Partial
    FC; they follow after the value, α = ``alpha``. Embeddings that only their direction matters for (every margin but
    softmax) are free to shrink, which lowers this term without making a class more compact.
    """
    return (batch.embedding - batch.state["means"][batch.labels]).square().sum(dim=1).mean() / 2
