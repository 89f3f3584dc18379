"""What ``mlflow.pyfunc.load_model`` calls: builds a backbone again from its configuration and its safetensors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.tracking.models import CONFIG, WEIGHTS

if TYPE_CHECKING:
    import numpy as np
    from torch import nn


class Backbone:
    """Images (B, 3, H, W) float32 as the signature says, to raw embeddings (B, d) float32, on the CPU."""

    def __init__(self, network: nn.Module) -> None:
        self.network = network

    def predict(self, images: np.ndarray | dict[str, np.ndarray], params: dict[str, Any] | None = None) -> np.ndarray:
        import numpy as np
        import torch

        (batch,) = images.values() if isinstance(images, dict) else (images,)
        with torch.inference_mode():
            found: np.ndarray = self.network(torch.from_numpy(np.ascontiguousarray(batch))).numpy()
        return found


def _load_pyfunc(path: str) -> Backbone:
    import torch
    from safetensors.torch import load_file

    from bench.backbones.catalog import build

    config = json.loads((Path(path) / CONFIG).read_text(encoding="utf-8"))
    network = build(config["backbone"], pixels=int(config["pixels"]), generator=torch.Generator())
    network.load_state_dict(load_file(Path(path) / WEIGHTS))
    return Backbone(network.eval())
