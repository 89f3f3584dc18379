"""The shape of a head: ellipsoids, blended where they meet, and where the rays through the pixels hit them.

Axes of the head: x to the image's right, y up, z out of the face. The camera looks along its own −z.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from bench.data.synthetic.columns import DTYPE, Columns

VIEW = 1.02
"""Half the width of the image in head units at scale 1."""
BEHIND = -9.0
"""A depth behind every head."""
ANCHOR = (0.0, -0.12, 0.30)
"""The point of the head that alignment puts at the middle of the image."""
SHARPNESS = 25.0
"""How fast the nearer of two ellipsoids wins with depth, per head unit: as exp(−25 · depth), cut off at 4/25."""


@dataclass(frozen=True)
class Ellipsoids:
    """``centre``, ``radii``: (B, K, 3); ``tilt``: (B, K) rotation about x, radians; ``hair``: (K,) 1 if hair."""

    centre: Tensor
    radii: Tensor
    tilt: Tensor
    hair: Tensor


@dataclass(frozen=True)
class Surface:
    """What each of P pixels sees, in head axes.

    ``point``, ``normal``: (B, 3, P), normal of length 1; ``cover``: (B, P) share of the pixel that the head covers;
    ``hair``: (B, P) share of that which is hair.
    """

    point: Tensor
    normal: Tensor
    cover: Tensor
    hair: Tensor


def rotation(view: Columns) -> Tensor:
    """(B, 3, 3) head → camera: yaw about y first, then pitch about x, then roll about z."""
    (cy, cp, cr), (sy, sp, sr) = (
        [f(view[name]).squeeze(1) for name in ("yaw", "pitch", "roll")] for f in (torch.cos, torch.sin)
    )
    zero, one = torch.zeros_like(cy), torch.ones_like(cy)

    def matrix(*entries: Tensor) -> Tensor:
        return torch.stack(entries, dim=1).reshape(-1, 3, 3)

    yaw = matrix(cy, zero, sy, zero, one, zero, -sy, zero, cy)
    pitch = matrix(one, zero, zero, zero, cp, sp, zero, -sp, cp)
    roll = matrix(cr, -sr, zero, sr, cr, zero, zero, zero, one)
    return roll @ pitch @ yaw


def ellipsoids(who: Columns, view: Columns) -> Ellipsoids:
    """Skull, jaw, chin, cheeks, nose, ears, neck and hair of each person; an open mouth drops the jaw."""
    width, height, depth = (who[f"head_{axis}"] for axis in ("width", "height", "depth"))
    zero = torch.zeros_like(width)
    drop = who["jaw_drop"] + 0.5 * view["mouth_open"]
    tip, nose_width, ear = who["nose_tip"], who["nose_width"], who["ear_size"]
    volume, back, length = who["hair_volume"], who["hair_back"], who["hair_length"]
    ear_x = width + who["ear_out"] - 0.03
    cheek, chin = who["cheek_size"], who["chin_size"]
    root_y = 0.5 * who["nose_length"] - who["nose_drop"] + 0.04
    # centre x y z, radii x y z, tilt, hair
    table: tuple[tuple[Tensor | float, ...], ...] = (
        (zero, zero, zero, width, height, depth, 0.0),
        (zero, -drop, 0.14, who["jaw_width"], 0.52, 0.56, 0.0),
        (zero, -drop - 0.30, who["chin_out"], 1.25 * chin, chin, chin, 0.0),
        (0.43 * width, -0.12, 0.43, cheek, 1.1 * cheek, cheek, 0.0),
        (-0.43 * width, -0.12, 0.43, cheek, 1.1 * cheek, cheek, 0.0),
        (zero, root_y, who["nose_out"] - 0.10, 0.85 * nose_width, who["nose_length"], 0.16, -0.38),
        (zero, -who["nose_drop"], who["nose_out"], 0.8 * tip + 0.25 * nose_width, 0.85 * tip, 1.35 * tip, 0.1),
        (nose_width, -who["nose_drop"] - 0.02, who["nose_out"] - 0.12, 0.07, 0.07, 0.11, 0.0),
        (-nose_width, -who["nose_drop"] - 0.02, who["nose_out"] - 0.12, 0.07, 0.07, 0.11, 0.0),
        (ear_x, -0.02, -0.05, 0.09, ear, 0.62 * ear, 0.15),
        (-ear_x, -0.02, -0.05, 0.09, ear, 0.62 * ear, 0.15),
        (zero, -1.2, -0.2, who["neck_width"], 0.9, 0.42, 0.0),
        (zero, 0.20, -back, width + volume, height - 0.10 + volume, depth - 0.03 + volume, 0.0),
        (zero, -0.75 * length, -0.34, 0.64 + 0.22 * length, 0.45 + 0.55 * length, 0.42 + 0.08 * length, 0.0),
    )
    columns = torch.stack([torch.cat([zero + entry for entry in row], dim=1) for row in table], dim=1)  # (B, K, 7)
    hair = torch.zeros(len(table), dtype=DTYPE)
    hair[-2:] = 1.0
    return Ellipsoids(columns[..., :3], columns[..., 3:6], columns[..., 6], hair)


def intersect(shape: Ellipsoids, turn: Tensor, view: Columns, pixels: int) -> Surface:
    """Where the rays through pixels × pixels image points first meet the head.

    On a ray X·r0 + Y·r1 + t·r2 (rows r of ``turn``) an ellipsoid (p−c)ᵀS(p−c) = 1 is a quadratic in t, so its near
    side is t = linear(X, Y) + sqrt(quadratic(X, Y)): both come from one product with the monomials of the grid.
    """
    S = _quadratic_forms(shape)
    batch, count = shape.tilt.shape
    rays = turn[:, None].expand(batch, count, 3, 3)
    frame = torch.cat([rays, shape.centre[:, :, None, :]], dim=2)  # r0, r1, r2, c as rows: (B, K, 4, 3)
    weighted = frame @ S
    g = weighted @ frame.transpose(2, 3)  # Gram matrix of the frame under S
    a = g[..., 2, 2]
    linear = torch.stack([-g[..., 0, 2], -g[..., 1, 2], g[..., 2, 3]], dim=-1)
    free = torch.stack(
        [g[..., 0, 0], 2 * g[..., 0, 1], g[..., 1, 1], -2 * g[..., 0, 3], -2 * g[..., 1, 3], g[..., 3, 3] - 1], dim=-1
    )
    linear = linear / a[..., None]
    under_root = _square(linear) - free / a[..., None]

    x, y = _image_plane(turn, view, pixels)
    monomials = torch.stack([x * x, x * y, y * y, x, y, torch.ones_like(x)], dim=1)
    root = under_root @ monomials
    depth = root.clamp_min(0).sqrt_().add_(linear @ monomials[:, 3:])

    cover = _coverage(root, under_root, view, pixels)
    nearest = torch.where(cover >= 0.5, depth, BEHIND).amax(dim=1, keepdim=True)
    # (1 + x/4)⁴ ≈ exp(x), at the price of a few products.
    weight = (depth - nearest).mul_(SHARPNESS / 4).add_(1).clamp_(0, 1).square_().square_().mul_(cover)
    weight *= weight.sum(dim=1, keepdim=True).clamp_min(1e-12).reciprocal()

    near = weight * depth
    point = turn.transpose(1, 2) @ torch.stack([x, y, near.sum(dim=1)], dim=1)
    # The gradient of each ellipsoid is linear in X, Y and t; times its mean radius it has a length near 1.
    size = shape.radii.prod(dim=-1).pow(1 / 3)[..., None, None]
    across, up, along, at_centre = (weighted * size).permute(2, 0, 3, 1)  # (B, 3, K) each
    share = torch.cat([across, up, at_centre, shape.hair.expand(batch, 1, count)], dim=1) @ weight
    normal = share[:, 0:3] * x[:, None] + share[:, 3:6] * y[:, None] + along @ near - share[:, 6:9]
    normal = normal * normal.square().sum(dim=1, keepdim=True).clamp_min(1e-24).rsqrt()
    return Surface(point, normal, cover.amax(dim=1), share[:, 9])


def _quadratic_forms(shape: Ellipsoids) -> Tensor:
    """(B, K, 3, 3) S of (p−c)ᵀS(p−c) = 1."""
    cos, sin = torch.cos(shape.tilt), torch.sin(shape.tilt)
    zero, one = torch.zeros_like(cos), torch.ones_like(cos)
    axes = torch.stack([one, zero, zero, zero, cos, -sin, zero, sin, cos], dim=-1).reshape(*cos.shape, 3, 3)
    return (axes / shape.radii[..., None, :].square()) @ axes.transpose(2, 3)


def _square(linear: Tensor) -> Tensor:
    """Coefficients (…, 6) over the monomials of (aX + bY + c)², from (…, 3) a, b, c."""
    a, b, c = linear.unbind(dim=-1)
    return torch.stack([a * a, 2 * a * b, b * b, 2 * a * c, 2 * b * c, c * c], dim=-1)


def _image_plane(turn: Tensor, view: Columns, pixels: int) -> tuple[Tensor, Tensor]:
    """Camera coordinates (B, P) of the pixel centres, row by row from the top left."""
    centres = (2 * torch.arange(pixels, dtype=DTYPE) + 1) / pixels - 1
    down, right = torch.meshgrid(centres, centres, indexing="ij")
    anchor = turn @ torch.tensor(ANCHOR, dtype=DTYPE)
    extent = VIEW / view["scale"]
    x = (right.reshape(1, -1) - view["shift_x"]) * extent + anchor[:, 0:1]
    y = (-down.reshape(1, -1) - view["shift_y"]) * extent + anchor[:, 1:2]
    return x, y


def _coverage(root: Tensor, under_root: Tensor, view: Columns, pixels: int) -> Tensor:
    """(B, K, P) share of each pixel inside each ellipse, from its distance to the outline in pixels.

    ``root`` falls from its peak at the middle to 0 at the outline, as 1 − e² of the elliptic radius e; 1 − e times the
    mean half-axis is close to the distance.
    """
    xx, xy, yy, x, y, one = under_root.unbind(dim=-1)
    determinant = xx * yy - xy * xy / 4
    middle_x, middle_y = (xy * y / 2 - yy * x) / (2 * determinant), (xy * x / 2 - xx * y) / (2 * determinant)
    peak = one + (x * middle_x + y * middle_y) / 2
    half_axis = (peak / determinant.sqrt()).sqrt()
    per_pixel = half_axis * pixels * view["scale"] / (4 * VIEW)
    return (root * (per_pixel / peak)[..., None]).add_(0.5).clamp_(0, 1)
