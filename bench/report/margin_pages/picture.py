"""The picture of a margin: its target, its pull by angle, and its pull by direction, with and without enhancement."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from bench.report.figures._plot import PAGE_WIDTH, legend, strength_colours, style
from bench.report.margin_pages.situation import (
    NORM,
    NORMS,
    STRENGTHS,
    THETA,
    has_straight_through,
    head_of,
    look,
    psi_depends_on_norm,
    relative_pulls,
    target,
)

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bench.catalog import Spec
    from bench.losses.head import MarginHead

DIRECTIONS = 200
ANGLES = torch.arange(1, 180, 2, dtype=torch.float64)
"""Degrees."""

GREYS = ("0.55", "0", "0.3")
DASHES: tuple[Any, ...] = ((0, (1, 1)), "-", (0, (4, 1, 1, 1)))
STRAIGHT: Any = (0, (1, 1.2))
WIDTHS = dict(zip(STRENGTHS, (0.9, 1.6, 2.4), strict=True))
"""Points: the weaker lies on the stronger, so that both are seen where they agree."""


def save_picture(spec: Spec, path: Path) -> None:
    """Draws it and writes a PNG of few colours, so that a page's picture stays small."""
    from PIL import Image

    drawn = io.BytesIO()
    with style():
        draw(spec).savefig(drawn, dpi=150)
    Image.open(drawn).convert("RGB").quantize(96, dither=Image.Dither.NONE).save(path, optimize=True)


def draw(spec: Spec) -> Figure:
    """The figure, in the current style."""
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    head, colours = head_of(spec.name), strength_colours(STRENGTHS)
    figure = Figure(figsize=(PAGE_WIDTH, 2.65))
    left, middle, right = figure.subplots(1, 3)
    handles = _target(left, head)
    _pull(middle, head, colours, band=True, linestyle="-")
    for strength in STRENGTHS:
        look_of: dict[str, Any] = {"color": colours[strength], "linewidth": WIDTHS[strength]}
        handles.append(Line2D([], [], label=f"λ = {strength:g}", **look_of))
    if has_straight_through(spec):
        _pull(middle, head_of(spec.name, straight_through=True), colours, band=False, linestyle=STRAIGHT)
        handles.append(Line2D([], [], color="0.2", linestyle=STRAIGHT, label="straight-through"))
    _directions(right, head, colours)
    for panel in (left, middle):
        panel.set(xlabel="angle to the own centre θ (°)", xlim=(0, 180), xticks=range(0, 181, 45))
    legend(figure, handles)
    return figure


def _target(panel: Axes, head: MarginHead) -> list[Any]:
    from matplotlib.lines import Line2D

    cosine = Line2D(ANGLES, ANGLES.deg2rad().cos(), color="0.45", linestyle="--", linewidth=1, label="NormFace")
    several = psi_depends_on_norm(head)
    for norm, grey, dashes in zip(NORMS, GREYS, DASHES, strict=True):
        if several or norm == NORM:
            mean, low, high = over_directions(target(head, every_direction(), norm=norm))
            panel.plot(ANGLES, mean, color=grey, linestyle=dashes, label=f"‖x‖ = {norm:g}")
            panel.fill_between(ANGLES, low, high, color=grey, alpha=0.2, linewidth=0)
    if several:
        panel.legend(loc="lower left", frameon=False, handlelength=2.6)
    panel.add_line(cosine)
    panel.set(title="target", ylabel="ψ(θ)")
    return [Line2D([], [], color="0", label=head.margin.spec.name), cosine]


def _pull(panel: Axes, head: MarginHead, colours: dict[float, Any], *, band: bool, linestyle: Any) -> None:
    for strength in reversed(STRENGTHS):
        mean, low, high = over_directions(look(head, every_direction(), strength).pull)
        panel.plot(ANGLES, mean, color=colours[strength], linestyle=linestyle, linewidth=WIDTHS[strength])
        if band:
            panel.fill_between(ANGLES, low, high, color=colours[strength], alpha=0.18, linewidth=0)
    panel.set(title="pull by angle", ylabel="∂L/∂θ")
    panel.set_ylim(bottom=min(0, panel.get_ylim()[0]))


def _directions(panel: Axes, head: MarginHead, colours: dict[float, Any]) -> None:
    for strength in reversed(STRENGTHS):
        pulls = relative_pulls(head, strength)
        panel.plot(np.linspace(0, 100, len(pulls)), pulls, color=colours[strength], linewidth=WIDTHS[strength])
    panel.set(title=f"pull by direction, θ = {math.degrees(THETA):.0f}°", ylabel="pull over the strongest")
    panel.set(xlabel="directions, weakest first (%)", xlim=(0, 100), ylim=(0, 1.05))


def every_direction() -> Tensor:
    """Radians, each as often as there are directions, in one batch."""
    return ANGLES.deg2rad().repeat(DIRECTIONS)


def over_directions(values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean and 5th and 95th percentile of each angle."""
    table = values.view(DIRECTIONS, len(ANGLES))
    low, high = table.quantile(torch.tensor([0.05, 0.95], dtype=table.dtype), dim=0)
    return table.mean(dim=0), low, high
