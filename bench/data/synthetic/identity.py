"""Who a face is: the numbers that stay the same in every image of a person. Torch-free.

Lengths are in head units (half the head's height is about 0.95); places on the face are longitude and latitude in
radians, 0 at the middle of the face, seen from the centre of the head.
"""

from __future__ import annotations

from bench.data.synthetic.draws import Parameter, draw, stream

TEXTURE_WAVES = 4

PARAMETERS = (
    Parameter("head_width", 0.70, 0.045),
    Parameter("head_height", 0.96, 0.05),
    Parameter("head_depth", 0.86, 0.045),
    Parameter("jaw_width", 0.47, 0.06),
    Parameter("jaw_drop", 0.42, 0.05),
    Parameter("chin_size", 0.25, 0.035),
    Parameter("chin_out", 0.36, 0.06),
    Parameter("cheek_size", 0.27, 0.04),
    Parameter("nose_width", 0.105, 0.02),
    Parameter("nose_length", 0.27, 0.04),
    Parameter("nose_out", 0.83, 0.05),
    Parameter("nose_tip", 0.12, 0.018),
    Parameter("nose_drop", 0.175, 0.035),
    Parameter("ear_size", 0.19, 0.035),
    Parameter("ear_out", 0.05, 0.025),
    Parameter("neck_width", 0.40, 0.05),
    Parameter("hair_volume", 0.05, 0.04, low=-0.03),
    Parameter("hair_back", 0.20, 0.04),
    Parameter("hair_length", -0.1, 0.7, low=0.0, high=1.0),
    Parameter("hairline", 0.60, 0.10),
    Parameter("hairline_peak", 0.02, 0.06),
    Parameter("temples", 0.12, 0.12),
    Parameter("melanin", 0.36, 0.28, low=0.0, high=1.0),
    Parameter("redness", 0.02, 0.03),
    Parameter("cheek_colour", 0.10, 0.09, low=0.0),
    Parameter("hair_light", 0.20, 0.30, low=0.0, high=1.0),
    Parameter("hair_red", 0.05, 0.25, low=0.0, high=0.6),
    Parameter("hair_grey", -0.3, 0.45, low=0.0, high=0.9),
    Parameter("eye_x", 0.36, 0.035),
    Parameter("eye_y", 0.10, 0.03),
    Parameter("eye_width", 0.155, 0.018),
    Parameter("eye_height", 0.066, 0.012),
    Parameter("eye_tilt", 0.03, 0.10),
    Parameter("eye_hue", 0.3, 0.5, low=0.0, high=1.0),
    Parameter("socket", 0.10, 0.08, low=0.0),
    Parameter("brow_gap", 0.17, 0.025),
    Parameter("brow_width", 0.21, 0.03),
    Parameter("brow_thickness", 0.034, 0.012, low=0.014),
    Parameter("brow_arch", 0.04, 0.025),
    Parameter("brow_tilt", 0.0, 0.10),
    Parameter("brow_dark", 0.75, 0.15, low=0.4, high=0.95),
    Parameter("mouth_y", -0.51, 0.035),
    Parameter("mouth_width", 0.27, 0.04),
    Parameter("lip_upper", 0.042, 0.012),
    Parameter("lip_lower", 0.056, 0.014),
    Parameter("mouth_curve", 0.0, 0.02),
    Parameter("lip_red", 0.45, 0.22, low=0.1, high=0.9),
    Parameter("beard", -0.35, 0.6, low=0.0, high=0.85),
    Parameter("moustache", -0.3, 0.6, low=0.0, high=0.85),
    Parameter("folds", 0.12, 0.10, low=0.0),
    Parameter("texture", 0.035, 0.012, low=0.01),
    Parameter("mole_x", 0.0, 0.35),
    Parameter("mole_y", -0.25, 0.25),
    Parameter("mole_dark", -0.2, 0.5, low=0.0, high=0.7),
)

TEXTURE = tuple(
    Parameter(f"wave_{axis}{i}", 0.0, 3.0) for i in range(TEXTURE_WAVES) for axis in ("x", "y", "z", "phase")
)


def identity(seed: int, split: str, number: int) -> dict[str, float]:
    """The parameters of one person: a function of (seed, split, number) alone."""
    return draw(PARAMETERS + TEXTURE, stream(seed, split, number))


def name_of(split: str, number: int) -> str:
    """An invented name, such as ``Syn_Laab``: the split's letter, then the number in letters (three or more)."""
    letters = ""
    while number or len(letters) < 3:
        number, digit = divmod(number, 26)
        letters = chr(ord("a") + digit) + letters
    return f"Syn_{split[0].upper()}{letters}"
