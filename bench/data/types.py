"""The plain values that readers hand on: lists of labelled images, and verification protocols."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Int = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class ImageList:
    """Images on disk with identity labels; nothing is decoded yet.

    ``files``: N paths relative to ``root``, posix style, in a defined order. ``labels``: (N,) int64 index into
    ``identities``, whose entries are the people's names as the source spells them.
    """

    root: Path
    files: tuple[str, ...]
    labels: Int
    identities: tuple[str, ...]


@dataclass(frozen=True)
class Protocol:
    """A verification test: which templates are compared, which pairs are genuine, and in which fold each lies.

    A template is what gets one embedding: an image, or a video whose frames are pooled. ``template``: (N,) int64,
    image → template; ``template_names``: T; ``pairs``: (P, 2) int64 template indices; ``same``: (P,) bool, genuine or
    impostor; ``fold``: (P,) int64 from 0.
    """

    name: str
    images: ImageList
    template: Int
    template_names: tuple[str, ...]
    pairs: Int
    same: Bool
    fold: Int
