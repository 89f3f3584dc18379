"""What a network is fed, stated and recorded: a mismatch here is the commonest reason for numbers nobody can repeat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.errors import BenchError, unknown_name

if TYPE_CHECKING:
    from torch import Tensor

Three = tuple[float, float, float]

SCALES: dict[str, tuple[float, float]] = {"-1..1": (127.5, 127.5), "0..1": (0.0, 255.0), "0..255": (0.0, 1.0)}
"""Range of what is fed → (mean, std) that make it of 0..255."""
COLOURS = ("rgb", "bgr")


@dataclass(frozen=True)
class Preprocessing:
    """(v − mean) / std per channel of pixels v in 0..255, channels in the order of ``colour``."""

    colour: str = "rgb"
    mean: Three = (127.5, 127.5, 127.5)
    std: Three = (127.5, 127.5, 127.5)

    def __call__(self, pixels: Tensor) -> Tensor:
        """(B, H, W, 3) uint8 RGB to (B, 3, H, W) float32, contiguous."""
        import torch

        batch = pixels.permute(0, 3, 1, 2).to(torch.float32)
        if self.colour == "bgr":
            batch = batch.flip(1)
        mean, std = (torch.tensor(v, device=pixels.device).view(3, 1, 1) for v in (self.mean, self.std))
        return batch.contiguous().sub_(mean).div_(std)

    def __str__(self) -> str:
        if len({*self.mean}) == len({*self.std}) == 1:
            formula = f"(v − {self.mean[0]:g}) / {self.std[0]:g}"
        else:
            mean, std = (", ".join(f"{v:g}" for v in values) for values in (self.mean, self.std))
            formula = f"(v − ({mean})) / ({std})"
        return f"{self.colour.upper()}, {formula} of pixels v in 0..255, (B, 3, H, W) float32"

    def facts(self) -> dict[str, Any]:
        return {"colour": self.colour, "mean": list(self.mean), "std": list(self.std), "layout": "B3HW float32"}


def preprocessing(
    *, colour: str = "rgb", scale: str | None = None, mean: str | None = None, std: str | None = None
) -> Preprocessing:
    """From words: a ``scale`` of SCALES (default "-1..1"), or both ``mean`` and ``std``, of pixels in 0..255.

    These are one number each, or three with commas in the order of ``colour``. Raises BenchError with what is allowed.
    """
    if colour not in COLOURS:
        raise BenchError(unknown_name("colour", colour, COLOURS))
    if (mean is None) != (std is None) or (mean is not None and scale is not None):
        raise BenchError("say either --scale, or both --mean and --std")
    if mean is not None and std is not None:
        divisor = _three("--std", std)
        if min(divisor) <= 0:
            raise BenchError(f"--std must be above 0, found {std!r}")
        return Preprocessing(colour, _three("--mean", mean), divisor)
    if (scale := scale or "-1..1") not in SCALES:
        raise BenchError(unknown_name("scale", scale, SCALES))
    centre, width = SCALES[scale]
    return Preprocessing(colour, (centre,) * 3, (width,) * 3)


def _three(what: str, text: str) -> Three:
    try:
        numbers = [float(word) for word in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 3) or not all(abs(n) < 1e6 for n in numbers):
        raise BenchError(f"{what} must be one number or three with commas, of pixels in 0..255, found {text!r}")
    first, *rest = numbers
    return (first, *rest) if len(rest) == 2 else (first, first, first)  # type: ignore[return-value]
