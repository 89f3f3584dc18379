"""Any network on any protocol: what it is fed, what it gives, and the record of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.data.packed import Progress
from bench.data.protocols import PackedProtocol
from bench.errors import BenchError, some
from bench.evaluation.embed import Network, Prepare, raw_embeddings
from bench.evaluation.lists import lists_of
from bench.evaluation.onnx_model import OnnxNetwork
from bench.evaluation.preprocessing import Preprocessing
from bench.evaluation.record import Measures, Record, measure_images
from bench.evaluation.templates import Floats
from bench.evaluation.torch_model import load_module


@dataclass(frozen=True, eq=False)
class Model:
    """A network and all that its embeddings depend on. ``pixels``: side of the images; ``prepare``: what it is fed of
    them, which ``fed`` says in words; ``facts``: plain values for the record."""

    network: Network
    pixels: int
    prepare: Prepare
    fed: str
    device: torch.device
    facts: Mapping[str, Any]


def onnx_model(
    path: Path, preprocessing: Preprocessing, *, pixels: int | None, device: str = "auto", output: str | None = None
) -> Model:
    """An ONNX model; ``pixels`` is needed where the model leaves its size open, and must agree where it does not."""
    network = OnnxNetwork(path, device=device, output=output)
    if network.pixels is not None and pixels not in (None, network.pixels):
        raise BenchError(f"{path}: takes {network.pixels} × {network.pixels} pixels, --pixels says {pixels}")
    side = network.pixels or pixels
    if side is None:
        raise BenchError(f"{path}: leaves the size of its images open; pass --pixels")
    facts: dict[str, Any] = {"kind": "onnx", "file": path.name, "sha256": _sha256(path), "output": network.output}
    facts["fed"] = preprocessing.facts()
    return Model(network, side, preprocessing, str(preprocessing), torch.device("cpu"), facts)


def torch_model(
    spec: str, preprocessing: Preprocessing, *, pixels: int | None, device: torch.device,
    weights: Path | None = None, options: Mapping[str, Any] | None = None,
) -> Model:  # fmt: skip
    """A torch module by import path or timm name; see `load_module`. ``pixels`` is needed: a module does not say it."""
    if pixels is None:
        raise BenchError(f"--module {spec}: pass --pixels, the side of the images that it is made for")
    module = load_module(spec, weights=weights, options=options or {}, device=device)
    facts: dict[str, Any] = {
        "kind": "module",
        "module": spec,
        "options": dict(options or {}),
        "parameters": sum(p.numel() for p in module.parameters()),
        "weights": weights.name if weights else None,
        "sha256": _sha256(weights) if weights else None,
    }
    return Model(module, pixels, preprocessing, str(preprocessing), device, {**facts, "fed": preprocessing.facts()})


def evaluate_model(
    model: Model, protocol: PackedProtocol, *, flip: bool, measures: Measures, progress: Progress | None = None
) -> tuple[Record, Floats, Floats]:
    """Record (see `measure_scores`), scores (P,), and the raw embeddings (N, d) of the protocol's images.

    With ``flip`` the embedding of the mirror image is added to an image's own before anything is normalised.
    """
    rows = np.arange(len(protocol.template))
    raw = raw_embeddings(
        model.network, protocol.images, rows, flip=flip, device=model.device, prepare=model.prepare, progress=progress
    )
    embeddings: Floats = raw.cpu().numpy()
    record, scores, _ = measure_images(embeddings, lists_of(protocol), measures)
    record["facts"] |= {"data": protocol.digest, "original_sizes": protocol.images.facts["original_sizes"]}
    if protocol.images.skipped:
        record["notes"]["images"] = f"left out, for they cannot be read: {some(protocol.images.skipped)}"
    return record, scores, embeddings


def _sha256(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
