"""From people and views to images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from bench.data.synthetic.columns import DTYPE, Columns
from bench.data.synthetic.draws import stream
from bench.data.synthetic.head import Surface, ellipsoids, intersect, rotation
from bench.data.synthetic.paint import Place, bumps, colours, place
from bench.data.synthetic.views import View

CHUNK = 16
"""Images rendered at a time: enough to share the cost of torch's calls, few enough to stay near the cache."""


@dataclass(frozen=True)
class Shot:
    """One image to make: who, how seen, and the names of its noise stream."""

    who: dict[str, float]
    view: View
    names: tuple[str | int, ...]


def render(shots: Sequence[Shot], pixels: int) -> npt.NDArray[np.uint8]:
    """(N, pixels, pixels, 3) uint8 RGB. An image depends on its shot alone, not on its neighbours in ``shots``.

    All is float64, so that the order in which a library sums cannot change a rounded byte.
    """
    images = [image for start in range(0, len(shots), CHUNK) for image in _chunk(shots[start : start + CHUNK], pixels)]
    return np.stack(images) if images else np.zeros((0, pixels, pixels, 3), np.uint8)


@torch.inference_mode()
def _chunk(shots: Sequence[Shot], pixels: int) -> Iterator[npt.NDArray[np.uint8]]:
    who, view = Columns([shot.who for shot in shots]), Columns([shot.view for shot in shots])
    turn = rotation(view)
    surface = intersect(ellipsoids(who, view), turn, view, pixels)
    at = place(surface, pixels)
    head = colours(surface, at, who, view) * _light(surface, at, turn, who, view)[:, None]
    image = torch.lerp(_background(view, pixels), head, surface.cover[:, None].expand_as(head))
    image = _occlude(image, view, pixels)
    image = _blur(image, view, pixels) * view.stacked("gain_red", "gain_green", "gain_blue")[..., None]
    grain = np.stack([stream(*shot.names, "noise").standard_normal((3, pixels * pixels)) for shot in shots])
    image = image + view["noise"][..., None] * torch.from_numpy(grain)
    bytes_ = (image * 255).round().clamp(0, 255).to(torch.uint8)
    return iter(bytes_.reshape(-1, 3, pixels, pixels).permute(0, 2, 3, 1).contiguous().numpy())


def _light(surface: Surface, at: Place, turn: Tensor, who: Columns, view: Columns) -> Tensor:
    """(B, P) brightness: ambient plus a directional light, fixed to the camera, on the bumped normals."""
    towards = torch.cat([view["light_x"], view["light_y"], torch.ones_like(view["light_x"])], dim=1)
    towards = torch.nn.functional.normalize(towards, dim=1)
    light = (turn.transpose(1, 2) @ towards[..., None])[..., 0]
    lx, ly, lz = light[:, :1], light[:, 1:2], light[:, 2:]
    east, north = bumps(at, who, view)
    cos_lon, sin_lon, cos_lat, sin_lat = at.lon.cos(), at.lon.sin(), at.lat.cos(), at.lat.sin()
    flat = (light[:, None] @ surface.normal).squeeze(1)
    tilted = flat - east * (lx * cos_lon - lz * sin_lon)
    tilted = tilted - north * (ly * cos_lat - sin_lat * (lx * sin_lon + lz * cos_lon))
    bumped = torch.lerp(tilted / (1 + east.square() + north.square()).sqrt(), flat, surface.hair)
    return view["ambient"] + view["intensity"] * bumped.clamp_min(0)


def _background(view: Columns, pixels: int) -> Tensor:
    """(B, 3, P) two colours in broad waves."""
    x, y = _unit_grid(pixels)
    wave = torch.sin(view["wave_x"] * x + view["wave_y"] * y + view["wave_phase"])
    mix = torch.sigmoid(3 * wave)[:, None]
    back, front = (view.stacked(*(f"{k}_{c}" for c in ("red", "green", "blue")))[..., None] for k in ("back", "front"))
    return back + (front - back) * mix


def _occlude(image: Tensor, view: Columns, pixels: int) -> Tensor:
    """An ellipse of one colour near the rim of the image, where a view has one."""
    x, y = _unit_grid(pixels)
    dx, dy = x - view["cover_x"], y - view["cover_y"]
    cos, sin = view["cover_angle"].cos(), view["cover_angle"].sin()
    u, v = (dx * cos + dy * sin) / view["cover_long"], (dy * cos - dx * sin) / view["cover_short"]
    mask = view["occluder"] * torch.sigmoid((1 - u * u - v * v) * 0.4 * pixels * view["cover_short"])
    cover = view.stacked("cover_red", "cover_green", "cover_blue")[..., None]
    return torch.lerp(image, cover.expand_as(image), mask[:, None].expand_as(image))


def _blur(image: Tensor, view: Columns, pixels: int) -> Tensor:
    """Gaussian blur of standard deviation ``blur`` × pixels, as a product with a banded matrix from both sides."""
    index = torch.arange(pixels, dtype=DTYPE)
    distance = (index[:, None] - index[None, :]).square()
    kernel = torch.exp(-distance / (2 * (view["blur"] * pixels).square()[..., None]))
    kernel = (kernel / kernel.sum(dim=2, keepdim=True))[:, None]
    square = image.reshape(len(image), 3, pixels, pixels)
    return (kernel @ square @ kernel.transpose(2, 3)).reshape_as(image)


def _unit_grid(pixels: int) -> tuple[Tensor, Tensor]:
    centres = (2 * torch.arange(pixels, dtype=DTYPE) + 1) / pixels - 1
    down, right = torch.meshgrid(centres, centres, indexing="ij")
    return right.reshape(1, -1), -down.reshape(1, -1)
