"""A timm model as a backbone: the library's features, then the neck of the field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import timm
import torch
from torch import Tensor, nn

from bench.backbones.neck import Neck
from bench.errors import BenchError


class TimmBackbone(nn.Module):
    """(B, 3, pixels, pixels) to (B, embedding): timm's pooled features before its classifier, and the neck on them.

    Raises BenchError, in one line, where timm refuses an option or the model cannot take images of this size.
    """

    def __init__(self, name: str, *, pixels: int, embedding: int, dropout: float, options: Mapping[str, Any]) -> None:
        super().__init__()
        self.body, width = _body(name, pixels, options)
        self.neck = Neck(width, 1, embedding=embedding, dropout=dropout)

    def forward(self, images: Tensor) -> Tensor:
        embedding: Tensor = self.neck(self.body(images)[:, :, None, None])
        return embedding


def _body(name: str, pixels: int, options: Mapping[str, Any]) -> tuple[nn.Module, int]:
    """timm's model without a classifier, and the width of its pooled features.

    The width is measured, because no attribute of timm's models tells it under every option. Models with a fixed
    input size (transformers) must be told the size; the others refuse to hear it.
    """
    facts = timm.models.get_pretrained_cfg(name)
    size = {"img_size": pixels} if facts is not None and facts.fixed_input_size else {}
    try:
        model = timm.create_model(name, pretrained=False, num_classes=0, **{**size, **options})
        with torch.no_grad():
            shape = tuple(model.eval()(torch.zeros(1, 3, pixels, pixels)).shape)
    except (TypeError, ValueError, AssertionError, RuntimeError, KeyError, AttributeError) as error:
        given = f" with options {dict(options)!r}" if options else ""
        reason = " ".join(str(error).split()) or "it gives no reason"
        raise BenchError(
            f"backbone 'timm/{name}'{given} cannot be built for {pixels}×{pixels} images: {reason}"
        ) from error
    if len(shape) != 2:
        raise BenchError(
            f"backbone 'timm/{name}' must give one vector an image, found the shape {shape} "
            f"with options {dict(options)!r}; leave out `global_pool`"
        )
    return model.train(), shape[1]
