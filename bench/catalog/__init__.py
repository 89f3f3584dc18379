"""The registries. Importing this imports no torch; neither does reading any spec."""

from __future__ import annotations

from bench.catalog.spec import Option, Registry, Spec

MARGINS = Registry(
    "margin",
    "bench.losses.margins",
    """``function(theta, **options) -> psi``: theta (B,) float, radians, in (0, π); psi (B,), non-increasing.
    Traits: ``angular`` (has two margin gradients), ``logits`` ("cosine": s·cos; "inner": plain x·W).""",
)
GATES = Registry(
    "gate",
    "bench.losses.gates",
    "``function(batch: GateInput, **options) -> (B,)``: where the pull is enhanced.",
)
PROFILES = Registry(
    "profile",
    "bench.losses.profiles",
    "``function(theta, psi) -> (B,)``: φ, how the added pull grows with the angle.",
)
BACKBONES = Registry(
    "backbone",
    "bench.backbones.families",
    "``function(*, pixels, embedding, **options) -> nn.Module`` mapping (B,3,pixels,pixels) float to (B, embedding).",
)
FORMATS = Registry(
    "format",
    "bench.data.formats",
    """``function(root: Path, **options) -> ImageList | Protocol``. Traits: ``provides``: "training" or "protocol";
    ``people``, if lists alone tell: ``(root, **all options) -> names`` of everybody in the data set; ``census``:
    ``(root) -> counts`` of the whole data set by name, to compare with facts.""",
)
AUGMENTATIONS = Registry(
    "augmentation",
    "bench.training.augmentations",
    "``function(images (B,3,H,W) float in [-1, 1], generator, **options) -> images``, on the training device.",
)
FIGURES = Registry("figure", "bench.report.figures", "``function(results: ReportData) -> Figure | None``.")

REGISTRIES = {r.kind: r for r in (MARGINS, GATES, PROFILES, BACKBONES, FORMATS, AUGMENTATIONS, FIGURES)}

__all__ = [
    "AUGMENTATIONS", "BACKBONES", "FIGURES", "FORMATS", "GATES", "MARGINS", "PROFILES", "REGISTRIES",
    "Option", "Registry", "Spec",
]  # fmt: skip
