"""The colours of a head: skin, eyes, brows, mouth, beard and hair, painted by longitude and latitude."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from bench.data.synthetic.columns import DTYPE, Columns
from bench.data.synthetic.head import Surface
from bench.data.synthetic.identity import TEXTURE_WAVES


@dataclass(frozen=True)
class Place:
    """Where on the head each pixel lies, (B, P) each: longitude, its magnitude, latitude, and an edge's softness."""

    lon: Tensor
    side: Tensor
    lat: Tensor
    soft: float


def place(surface: Surface, pixels: int) -> Place:
    """Longitude and latitude in radians; edges are about a pixel soft, so that small images show no stair-steps."""
    x, y, z = surface.point.unbind(dim=1)
    lon = torch.atan2(x, z)
    return Place(lon, lon.abs(), torch.atan2(y, (x * x + z * z).sqrt()), max(0.008, 0.55 / pixels))


def colours(surface: Surface, at: Place, who: Columns, view: Columns) -> Tensor:
    """(B, 3, P) albedo, RGB in about [0, 1]."""
    face = (1.2 - at.side).mul(6).sigmoid()
    canvas = _skin(surface, at, who)
    canvas = _beard(canvas, at, who, view)
    canvas = _mouth(canvas, at, who, view)
    canvas = _nostrils(canvas, at, who)
    canvas = _eyes(canvas, at, who, view)
    canvas = _brows(canvas, at, who, view, face)
    canvas = _hair(canvas, surface, at, who)
    return _sunglasses(canvas, at, who, view, face)


def bumps(at: Place, who: Columns, view: Columns) -> tuple[Tensor, Tensor]:
    """Slopes (B, P) along longitude and latitude of the relief too fine for ellipsoids: lips, sockets, brow ridge."""
    mouth = who["mouth_y"]
    relief = (
        (0.035, 0.0, mouth + 0.05, who["mouth_width"] * 0.8, 0.035),
        (0.045, 0.0, mouth - 0.06, who["mouth_width"] * 0.7, 0.045),
        (-0.03, 0.0, mouth - 0.16, 0.22, 0.05),
        (-0.05, who["eye_x"], who["eye_y"] + 0.02, 0.20, 0.11),
        (0.03, who["eye_x"], who["eye_y"] + who["brow_gap"] + 0.03, 0.28, 0.07),
        (-0.10 * who["folds"], who["mouth_width"] + 0.10, mouth + 0.12, 0.06, 0.14),
    )
    east, north = torch.zeros_like(at.lon), torch.zeros_like(at.lon)
    for height, lon, lat, wide, tall in relief:
        dx, dy = (at.side - lon) / wide, (at.lat - lat) / tall
        hill = height * torch.exp(-(dx * dx + dy * dy))
        east -= 2 * hill * dx / wide
        north -= 2 * hill * dy / tall
    return east * at.lon.sign(), north


def hair_colour(who: Columns) -> Tensor:
    """(B, 3, 1)."""
    dark, light, red, grey = (
        _rgb(*c) for c in ((0.10, 0.07, 0.06), (0.80, 0.64, 0.40), (0.62, 0.26, 0.12), (0.72, 0.71, 0.70))
    )
    colour = torch.lerp(dark, light, who["hair_light"][..., None])
    colour = torch.lerp(colour, red, who["hair_red"][..., None])
    return torch.lerp(colour, grey, who["hair_grey"][..., None])


def _rgb(red: float, green: float, blue: float) -> Tensor:
    return torch.tensor([red, green, blue], dtype=DTYPE).reshape(1, 3, 1)


def _over(canvas: Tensor, colour: Tensor, mask: Tensor) -> Tensor:
    return torch.lerp(canvas, colour.expand_as(canvas), mask[:, None].expand_as(canvas))


def _inside(distance: Tensor, soft: float | Tensor) -> Tensor:
    """1 where distance is positive, 0 where negative, soft between."""
    return torch.sigmoid(distance * (2.5 / soft))


def _spot(dx: Tensor, dy: Tensor, wide: float | Tensor, tall: float | Tensor) -> Tensor:
    return torch.exp(-((dx / wide).square() + (dy / tall).square()))


def _skin_colour(who: Columns) -> Tensor:
    melanin = who["melanin"][..., None]
    base = torch.lerp(_rgb(0.93, 0.77, 0.67), _rgb(0.38, 0.22, 0.14), melanin)
    return base + who["redness"][..., None] * _rgb(1.0, -0.3, -0.8)


def _skin(surface: Surface, at: Place, who: Columns) -> Tensor:
    waves = torch.zeros_like(at.lon)
    direction = surface.point
    for i in range(TEXTURE_WAVES):
        k = who.stacked(f"wave_x{i}", f"wave_y{i}", f"wave_z{i}")[:, None]
        waves += torch.cos((k @ direction).squeeze(1) + who[f"wave_phase{i}"])
    canvas = _skin_colour(who) * (1 + who["texture"] * waves)[:, None]
    cheek = who["cheek_colour"] * _spot(at.side - 0.55, at.lat + 0.22, 0.26, 0.2)
    canvas = _over(canvas, _rgb(0.80, 0.34, 0.30), cheek)
    socket = who["socket"] * _spot(at.side - who["eye_x"], at.lat - who["eye_y"], 0.24, 0.14)
    fold = who["folds"] * _spot(at.side - who["mouth_width"] - 0.08, at.lat - who["mouth_y"] - 0.14, 0.035, 0.12)
    mole = who["mole_dark"] * _spot(at.lon - who["mole_x"], at.lat - who["mole_y"], 0.045, 0.045)
    return _over(canvas, _rgb(0.30, 0.15, 0.12), 1 - (1 - socket) * (1 - fold) * (1 - mole))


def _eyes(canvas: Tensor, at: Place, who: Columns, view: Columns) -> Tensor:
    dx = (at.side - who["eye_x"]) / who["eye_width"]
    dy = at.lat - who["eye_y"] - who["eye_tilt"] * (at.side - who["eye_x"])
    open_height = who["eye_height"] * (1 - view["blink"])
    arc = (1 - dx * dx).clamp_min(-0.5)
    upper, lower = open_height * arc - dy, dy + 0.75 * open_height * arc
    opening = _inside(torch.minimum(upper, lower), at.soft * 0.7)
    look = dx * who["eye_width"] - at.lon.sign() * view["gaze"]
    radius = 0.9 * (look.square() + dy.square()).sqrt() / who["eye_height"].clamp_min(0.055)
    iris_colour = torch.lerp(_rgb(0.24, 0.13, 0.07), _rgb(0.36, 0.52, 0.62), who["eye_hue"][..., None])
    canvas = _over(canvas, _rgb(0.90, 0.88, 0.86), opening)
    canvas = _over(canvas, iris_colour, opening * _inside(0.95 - radius, 0.25))
    canvas = _over(canvas, _rgb(0.03, 0.03, 0.03), opening * _inside(0.42 - radius, 0.2))
    near = _inside(1.25 - dx.abs(), 0.15)
    lash = near * torch.exp(-(upper / 0.016).square())
    crease = 0.45 * near * torch.exp(-((upper + 0.055) / 0.016).square())
    return _over(canvas, _rgb(0.10, 0.06, 0.05), torch.maximum(0.85 * lash, crease))


def _brows(canvas: Tensor, at: Place, who: Columns, view: Columns, face: Tensor) -> Tensor:
    dx = (at.side - who["eye_x"] - 0.02) / who["brow_width"]
    middle = who["eye_y"] + who["brow_gap"] + view["brow_raise"]
    middle = middle + who["brow_arch"] * (1 - dx * dx) + who["brow_tilt"] * (at.side - who["eye_x"])
    thickness = who["brow_thickness"] * (1.15 - 0.45 * dx).clamp(0.4, 1.6)
    strip = _inside(thickness - (at.lat - middle).abs(), 0.016) * _inside(1 - dx.abs(), 0.2)
    return _over(canvas, 0.8 * hair_colour(who), who["brow_dark"] * strip * face)


def _nostrils(canvas: Tensor, at: Place, who: Columns) -> Tensor:
    bottom = -torch.atan2(who["nose_drop"] + 0.09, who["nose_out"])
    hole = _spot(at.side - 0.085 * who["nose_width"] / 0.105, at.lat - bottom, 0.035, 0.026)
    shade = 0.3 * _spot(at.side, at.lat - bottom + 0.02, 0.16, 0.03)
    return _over(canvas, _rgb(0.16, 0.07, 0.06), torch.maximum(0.8 * hole, shade))


def _mouth(canvas: Tensor, at: Place, who: Columns, view: Columns) -> Tensor:
    half = who["mouth_width"] * (1 + 2.5 * view["smile"])
    dx = at.lon / half
    inside = (1 - dx * dx).clamp_min(-0.5)
    line = who["mouth_y"] + (who["mouth_curve"] + view["smile"]) * dx * dx
    gap = 0.5 * view["mouth_open"] * inside.clamp_min(0)
    dip = 1 - 0.28 * torch.exp(-(at.lon / 0.05).square())
    top = line + gap + who["lip_upper"] * inside * dip
    bottom = line - gap - who["lip_lower"] * inside
    lips = _inside(torch.minimum(top - at.lat, at.lat - bottom), at.soft)
    lip_colour = torch.lerp(0.82 * _skin_colour(who), _rgb(0.70, 0.20, 0.22), who["lip_red"][..., None])
    canvas = _over(canvas, lip_colour, lips)
    seam = _inside(gap + 0.007 - (at.lat - line).abs(), 0.012) * _inside(inside, 0.25)
    canvas = _over(canvas, _rgb(0.20, 0.07, 0.07), 0.9 * seam)
    teeth = _inside(gap - 0.012 - (at.lat - line - 0.3 * gap).abs(), 0.012) * _inside(inside - 0.25, 0.2)
    return _over(canvas, _rgb(0.92, 0.90, 0.86), 0.9 * teeth)


def _beard(canvas: Tensor, at: Place, who: Columns, view: Columns) -> Tensor:
    edge = who["mouth_y"] - 0.04 + 0.75 * (at.side - 0.25).clamp_min(0)
    beard = who["beard"] * _inside(edge - at.lat, 0.12) * _inside(1.55 - at.side, 0.2)
    dy = at.lat - who["mouth_y"] - 0.105
    moustache = who["moustache"] * _inside(0.035 - dy.abs(), 0.03) * _inside(who["mouth_width"] - at.side, 0.08)
    return _over(canvas, hair_colour(who), torch.maximum(beard, moustache))


def _hair(canvas: Tensor, surface: Surface, at: Place, who: Columns) -> Tensor:
    line = who["hairline"] - who["hairline_peak"] * torch.cos(5 * at.lon)
    line = line + who["temples"] * torch.exp(-((at.side - 0.75) / 0.25).square())
    line = line - 0.75 * (at.side - 0.95).clamp_min(0)
    # A head without hair volume is bald: its hair ellipsoid lies under the skin and no hairline is painted.
    grown = _inside(who["hair_volume"], 0.02)
    painted = grown * _inside(at.lat - line, 0.05)
    behind = _inside(surface.hair - 0.5, 0.25)
    strands = 1 + 0.06 * torch.cos(31 * at.lon + 4 * torch.cos(5 * at.lat))
    mask = torch.maximum(painted, behind)
    return torch.lerp(canvas, hair_colour(who) * strands[:, None], mask[:, None].expand_as(canvas))


def _sunglasses(canvas: Tensor, at: Place, who: Columns, view: Columns, face: Tensor) -> Tensor:
    dx, dy = (at.side - who["eye_x"]) / 0.25, (at.lat - who["eye_y"] + 0.01) / 0.15
    lens = _inside(1 - (dx.pow(4) + dy.pow(4)), 0.3)
    bar = _inside(0.02 - (at.lat - who["eye_y"] - 0.05).abs(), 0.015) * _inside(1.5 - at.side, 0.1)
    return _over(canvas, _rgb(0.05, 0.05, 0.06), view["sunglasses"] * torch.maximum(lens, bar))
