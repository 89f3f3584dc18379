"""What a synthetic data set holds. Torch-free, so that a plan can digest and check it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from math import comb

from bench.errors import DataError

GENERATOR_VERSION = 1
"""Raised whenever the same spec would give other pixels, names or pairs."""


@dataclass(frozen=True)
class SyntheticSpec:
    """Sizes of the training folder and of the three test sets.

    The defaults hold the official pair counts with 1,960 distinct test images and 2,720 frames. ``*_pairs`` are
    genuine pairs per fold; as many impostor pairs are drawn. Raises ``DataError``, naming every field at fault, when
    the identities of a fold cannot give that many distinct pairs.
    """

    pixels: int = 32
    seed: int = 0
    folds: int = 10
    train_identities: int = 120
    train_images: int = 20
    lfw_identities: int = 70
    lfw_images: int = 10
    lfw_pairs: int = 300
    cfp_identities: int = 90
    cfp_frontal: int = 10
    cfp_profile: int = 4
    cfp_pairs: int = 350
    ytf_identities: int = 20
    ytf_videos: int = 17
    ytf_frames: int = 8
    ytf_pairs: int = 250

    def __post_init__(self) -> None:
        problems = [*_out_of_range(self)] or [*_impossible(self)]
        if problems:
            raise DataError("synthetic faces: " + "; ".join(problems))

    @property
    def images(self) -> int:
        """Number of image files, frames included."""
        return (
            self.train_identities * self.train_images
            + self.lfw_identities * self.lfw_images
            + self.cfp_identities * (self.cfp_frontal + self.cfp_profile)
            + self.ytf_identities * self.ytf_videos * self.ytf_frames
        )

    def digest(self) -> str:
        """sha256, in hex, of every parameter and the generator's version."""
        asked = json.dumps({"generator": GENERATOR_VERSION, **asdict(self)}, sort_keys=True)
        return hashlib.sha256(asked.encode()).hexdigest()


def fold_of(identity: int, identities: int, folds: int) -> int:
    """The fold of an identity: consecutive blocks whose sizes differ by one at most."""
    return identity * folds // identities


def _out_of_range(spec: SyntheticSpec) -> list[str]:
    lowest = {"pixels": 16, "seed": 0, "folds": 1}
    found = asdict(spec)
    wrong_type = [
        f"{field} must be a whole number, got {value!r}" for field, value in found.items() if type(value) is not int
    ]
    return wrong_type or [
        f"{field} must be at least {lowest.get(field, 1)}, got {value}"
        for field, value in found.items()
        if value < lowest.get(field, 1)
    ]


def _impossible(spec: SyntheticSpec) -> list[str]:
    """One line for each kind of pair that the smallest fold cannot give often enough."""
    f, p = spec.cfp_frontal, spec.cfp_profile
    kinds = (
        ("lfw", "identities of lfw_images images", comb(spec.lfw_images, 2), spec.lfw_images**2),
        ("ytf", "identities of ytf_videos videos", comb(spec.ytf_videos, 2), spec.ytf_videos**2),
        ("cfp", "identities of cfp_frontal frontal images", comb(f, 2), f * f),
        ("cfp", "identities of cfp_frontal × cfp_profile images", f * p, 2 * f * p),
    )
    problems = []
    for name, what, genuine, impostor in kinds:
        identities, wanted = getattr(spec, f"{name}_identities"), getattr(spec, f"{name}_pairs")
        smallest = identities // spec.folds
        for kind, most in (("genuine", smallest * genuine), ("impostor", comb(smallest, 2) * impostor)):
            if most < wanted:
                problems.append(
                    f"{name}_pairs={wanted} asks for {wanted} {kind} pairs a fold, but {smallest} {what} "
                    f"({name}_identities={identities} in {spec.folds} folds) give at most {most}"
                )
    return problems
