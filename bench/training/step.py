"""Forward and backward of one step: the whole batch at once, or a micro-batch at a time with the gradient of the whole.

The loss sees the embeddings of the whole batch either way, so that margins with batch statistics, Partial FC's sample
and terms are the same. In micro-batches each image goes through the network twice, first for its embedding alone, then
for the gradient (as in GradCache, arXiv:2101.06983): activations of one micro-batch are in memory, not of the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from bench.losses.angles import at_least_float32
from bench.losses.types import LossOutput
from bench.suite.seeds import seed_for

HALF = {"bfloat16": torch.bfloat16, "float16": torch.float16}


def forward_backward(
    network: nn.Module, loss: Callable[[Tensor], LossOutput], images: Tensor, *, recipe: Mapping[str, Any],
    moment: Mapping[str, int], scaled: Callable[[Tensor], Tensor] = lambda value: value,
) -> LossOutput:  # fmt: skip
    """The loss of a batch, whose gradient is added to that of every parameter.

    ``images``: (B, 3, H, W); ``loss`` is given their embeddings (B, d), float32 or float64; ``scaled`` makes of the
    loss what is differentiated. Of the ``recipe`` counts ``precision``, in which the network works, and
    ``micro_batch``, which divides B. ``moment``: seed, epoch and step. Dropout and the like draw from torch's global
    generator, which is seeded from it and, in micro-batches, from their number: both passes draw the same. BatchNorm
    normalises by micro-batch, and its running statistics follow each once.
    """
    half = HALF.get(recipe["precision"])
    size = recipe.get("micro_batch") or len(images)

    def embed(part: Tensor, **number: int) -> Tensor:
        torch.manual_seed(seed_for("layers", **moment, **number))
        with torch.autocast(part.device.type, half, enabled=half is not None):
            found: Tensor = network(part)
        return found.to(at_least_float32(found))

    if size == len(images):
        output = loss(embed(images))
        torch.autograd.backward(scaled(output.loss))
        return output
    parts = torch.split(images, size)
    with torch.no_grad(), _buffers_put_back(network):
        embeddings = torch.cat([embed(part, micro_batch=number) for number, part in enumerate(parts)])
    output = loss(embeddings.requires_grad_())
    torch.autograd.backward(scaled(output.loss))
    assert embeddings.grad is not None
    for number, (part, gradient) in enumerate(zip(parts, torch.split(embeddings.grad, size), strict=True)):
        with _exchange(network, now=number == len(parts) - 1):
            torch.autograd.backward(embed(part, micro_batch=number), gradient)
    return output


@contextmanager
def _buffers_put_back(network: nn.Module) -> Iterator[None]:
    """Whatever moves in a forward pass, running statistics among it, is afterwards as it was."""
    kept = [buffer.clone() for buffer in network.buffers()]
    yield
    for buffer, value in zip(network.buffers(), kept, strict=True):
        buffer.copy_(value)


def _exchange(network: nn.Module, *, now: bool) -> AbstractContextManager[None]:
    """Where processes share the network they exchange its gradient once a step, after the last micro-batch."""
    if now or not isinstance(network, DistributedDataParallel):
        return nullcontext()
    return network.no_sync()
