"""How a face is seen: the nuisances of one image, by regime. Torch-free. Angles in radians.

Pose spreads widest, so images of one person differ along few directions and classes are anisotropic.
"""

from __future__ import annotations

from collections.abc import Callable
from math import pi, radians

import numpy as np

from bench.data.synthetic.draws import Parameter, draw

View = dict[str, float]

EVERYDAY = (
    Parameter("pitch", 0.0, radians(8)),
    Parameter("roll", 0.0, radians(5)),
    Parameter("light_x", 0.0, 0.55),
    Parameter("light_y", 0.35, 0.35),
    Parameter("ambient", 0.52, 0.10, low=0.3),
    Parameter("intensity", 0.62, 0.12, low=0.3),
    Parameter("smile", 0.03, 0.035),
    Parameter("mouth_open", -0.03, 0.05, low=0.0),
    Parameter("blink", -0.15, 0.3, low=0.0, high=0.9),
    Parameter("brow_raise", 0.0, 0.02),
    Parameter("gaze", 0.0, 0.03),
    Parameter("scale", 1.0, 0.05),
    Parameter("shift_x", 0.0, 0.045),
    Parameter("shift_y", 0.0, 0.045),
    Parameter("blur", 0.006, 0.006, low=0.001),
    Parameter("noise", 0.012, 0.008, low=0.002),
    Parameter("gain_red", 1.0, 0.07),
    Parameter("gain_green", 1.0, 0.05),
    Parameter("gain_blue", 1.0, 0.08),
    Parameter("wave_x", 0.0, 3.0),
    Parameter("wave_y", 0.0, 3.0),
    Parameter("wave_phase", 0.0, pi / 2),
)

STUDIO = {
    "light_x": 0.0, "light_y": 0.3, "ambient": 0.55, "intensity": 0.6, "smile": 0.0, "mouth_open": 0.0, "blink": 0.0,
    "brow_raise": 0.0, "gaze": 0.0, "scale": 1.0, "shift_x": 0.0, "shift_y": 0.0, "blur": 0.001, "noise": 0.0,
    "gain_red": 1.0, "gain_green": 1.0, "gain_blue": 1.0, "pitch": 0.0, "roll": 0.0,
}  # fmt: skip

OCCLUDED = 0.12
SUNGLASSES = 0.04
FRAMES_LIKE = ("yaw", "pitch", "roll", "light_x", "light_y", "smile", "mouth_open", "shift_x", "shift_y", "gaze")


def wild(rng: np.random.Generator) -> View:
    """Everyday photographs, as in LFW: yaw around 0 with a spread of 27°."""
    return _view(rng, yaw=float(np.clip(rng.normal(0.0, radians(27)), -radians(60), radians(60))))


def frontal(rng: np.random.Generator) -> View:
    """Looking at the camera: |yaw| up to 12°."""
    return _view(rng, yaw=rng.uniform(-radians(12), radians(12)))


def profile(rng: np.random.Generator) -> View:
    """|yaw| from 60° to 90°, either side."""
    return _view(rng, yaw=float(rng.choice((-1.0, 1.0)) * rng.uniform(radians(60), radians(90))))


def training(rng: np.random.Generator) -> View:
    """Mostly everyday views, with frontal and profile ones among them."""
    regime = rng.choice(3, p=(0.6, 0.15, 0.25))
    return (wild, frontal, profile)[int(regime)](rng)


def studio(rng: np.random.Generator) -> View:
    """A frontal view without nuisance; only the background is drawn."""
    return _view(rng, yaw=0.0) | STUDIO | {"occluder": 0.0, "sunglasses": 0.0}


REGIMES: dict[str, Callable[[np.random.Generator], View]] = {
    "wild": wild,
    "frontal": frontal,
    "profile": profile,
    "training": training,
    "studio": studio,
}


def video(rng: np.random.Generator, frames: int) -> list[View]:
    """A short video: pose, light and expression glide from one everyday view to another; the rest stays."""
    start, end = wild(rng), wild(rng)
    start["blur"] += 0.004
    views = []
    for time in np.linspace(0.0, 1.0, frames) if frames > 1 else np.zeros(1):
        mix = float((1 - np.cos(pi * time)) / 2)
        views.append(start | {key: (1 - mix) * start[key] + mix * end[key] for key in FRAMES_LIKE})
    return views


def _view(rng: np.random.Generator, yaw: float) -> View:
    colours = {}
    for thing in ("back", "front", "cover"):
        grey = rng.uniform(0.15, 0.85)
        for channel in ("red", "green", "blue"):
            colours[f"{thing}_{channel}"] = float(np.clip(grey + rng.uniform(-0.2, 0.2), 0.0, 1.0))
    angle = rng.uniform(0.0, 2 * pi)
    return (
        {"yaw": yaw}
        | draw(EVERYDAY, rng)
        | colours
        | {
            "occluder": float(rng.random() < OCCLUDED),
            "cover_x": 0.75 * float(np.cos(angle)),
            "cover_y": 0.75 * float(np.sin(angle)),
            "cover_angle": float(rng.uniform(0.0, pi)),
            "cover_long": float(rng.uniform(0.3, 0.55)),
            "cover_short": float(rng.uniform(0.15, 0.3)),
            "sunglasses": float(rng.random() < SUNGLASSES),
        }
    )
