"""Evaluating a trained run: a protocol's scores and metrics, and the geometry of protocol and training identities."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch

from bench.data.packed import PackedImages, Progress
from bench.data.protocols import PackedProtocol
from bench.data.types import Int
from bench.evaluation.embed import raw_embeddings
from bench.evaluation.geometry import measure, pull_isotropy
from bench.evaluation.lists import lists_of
from bench.evaluation.measured import REPLICATES
from bench.evaluation.record import Measures, Replicates, measure_images
from bench.evaluation.spectrum import spectra
from bench.losses.head import MarginHead
from bench.suite.seeds import seed_for

TRAINING_IMAGES = 1500  # of the training set, whole identities, on which its geometry is measured

Arrays = dict[str, np.ndarray]


def evaluate_protocol(
    backbone: torch.nn.Module, protocol: PackedProtocol, options: dict[str, Any], *, device: torch.device,
    progress: Progress | None = None,
) -> tuple[dict[str, Any], Arrays]:  # fmt: skip
    """Record of metrics, and the arrays kept beside it: scores (P,), same (P,), embeddings (T, d) float16, `spectra`,
    and ``replicates.<metric>`` (R,) float32, of which its interval is made, NaN where it has no value.

    ``options``: the evaluation block. A template's embedding is the normalised mean of its images' unit embeddings.
    ``progress(done, total)`` is called after every batch of images.
    """
    begun = time.monotonic()
    rows = np.arange(len(protocol.template))
    found = raw_embeddings(backbone, protocol.images, rows, flip=options["flip"], device=device, progress=progress)
    raw = found.cpu().numpy()
    measures = Measures(
        far=tuple(options["far"]),
        all_pairs_far=tuple(options["all_pairs_far"]),
        ranks=tuple(options["ranks"]),
        fpir=tuple(options["fpir"]),
        bootstrap=options["bootstrap"],
        device=device.type,
    )
    kept: Replicates = {}
    record, scores, templates = measure_images(raw, lists_of(protocol), measures, kept=kept)
    arrays: Arrays = {
        "scores": scores,
        "same": protocol.same.astype(np.uint8),
        "embeddings": templates.astype(np.float16),
        **{f"{REPLICATES}{name}": values.astype(np.float32) for name, values in kept.items()},
    }
    if protocol.fold is not None:
        arrays["fold"] = protocol.fold
    if protocol.named:
        arrays |= spectra(templates, protocol.template_identity)
    return {**record, "options": options, "seconds": time.monotonic() - begun}, arrays


def evaluate_training(
    backbone: torch.nn.Module, head: MarginHead, images: PackedImages, rows: Int, labels: Int, *,
    seed: int, step: int, device: torch.device,
) -> tuple[dict[str, Any], Arrays]:  # fmt: skip
    """Geometry on training identities and isotropy of the pull, on at most TRAINING_IMAGES images of whole people.

    ``step``: training steps done, for losses that draw or anneal.
    """
    begun = time.monotonic()
    people = np.random.default_rng(seed_for("training geometry", seed=0)).permutation(int(labels.max()) + 1)
    sizes = np.bincount(labels)[people].cumsum()
    chosen = people[: max(2, int(np.searchsorted(sizes, TRAINING_IMAGES, side="right")))]
    inside = np.flatnonzero(np.isin(labels, chosen))
    raw = raw_embeddings(backbone, images, rows[inside], flip=False, device=device)
    unit = torch.nn.functional.normalize(raw).cpu().numpy()
    geometry = measure(unit, labels[inside], seed=seed)
    output = head(raw, torch.from_numpy(labels[inside]).to(device), step=step)
    metrics = geometry.metrics() | {
        "pull_isotropy": pull_isotropy(output.pull.cpu().numpy(), output.target_angle.cpu().numpy()),
    }
    record = {
        "metrics": metrics,
        "angles": geometry.angles(),
        "facts": {"images": len(inside), **geometry.facts()},
        "seconds": time.monotonic() - begun,
    }
    return record, {"embeddings": unit.astype(np.float16), **spectra(unit, labels[inside], seed=seed)}
