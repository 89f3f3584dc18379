"""A folder of images aligned into a new folder of the same names."""

from __future__ import annotations

import fnmatch
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image

from bench.data._decode import one_line, upright
from bench.data.alignment.landmarks import Landmarks
from bench.data.alignment.similarity import POINT_NAMES, Points, fit, template
from bench.data.alignment.warp import warp
from bench.data.formats._lists import folder_at
from bench.data.packed import OnBadImage, Progress
from bench.data.parallel import cores
from bench.data.tree import tree
from bench.data.types import ImageList
from bench.data.whole import new_folder
from bench.errors import DataError, some

# Near-lossless; a JPEG is encoded a second time here, which PNG avoids.
SAVING: dict[str, dict[str, Any]] = {
    ".jpg": {"quality": 95, "subsampling": 0},
    ".jpeg": {"quality": 95, "subsampling": 0},
    ".webp": {"lossless": True},
}


@dataclass(frozen=True)
class Aligned:
    """How many images were written; which were not, with the reason; which files are no images and were passed over."""

    written: int
    skipped: tuple[str, ...]
    no_images: tuple[str, ...]


@dataclass(frozen=True)
class Manner:
    """How each image is aligned; see ``align_folder``."""

    pixels: int
    antialias: bool
    allow_outside: bool
    png: bool


def align_folder(
    root: Path,
    landmarks: Landmarks,
    to: Path,
    manner: Manner,
    *,
    only: str = "*",
    on_bad_image: OnBadImage = "refuse",
    progress: Progress | None = None,
    workers: int | None = None,
) -> Aligned:
    """Writes every image below ``root`` whose path matches ``only`` to the same path below ``to``, aligned.

    Coordinates are those of the image turned upright by its EXIF tag. The result is RGB, ``manner.pixels`` square, in
    the file format of its source (JPEG at quality 95 without subsampling), or ``png``. An image is bad where it cannot
    be decoded, has no landmarks or unusable ones, or, unless ``allow_outside``, has one outside of the image; so is a
    landmark without its image. ``on_bad_image="skip"`` leaves those out and names them. Raises DataError for bad images
    otherwise, and where ``to`` is not new or empty or lies within ``root``; then nothing is written.
    """
    folder_at(root, "images to align")
    if to.resolve().is_relative_to(root.resolve()):
        raise DataError(f"{to} lies within the folder of images, {root}; name a place outside of it")
    found = tree(root)
    names = [name for name in found.images if fnmatch.fnmatchcase(name, only)]
    if not names:
        raise DataError(f"{root}: {len(found.images)} images, none whose path matches {only!r}")
    tasks, bad = _matched(names, found.images, landmarks, png=manner.png)
    bad = [*found.problems, *bad]
    if on_bad_image == "refuse":
        _refuse(root, bad)
    source, written = ImageList(root, tuple(names), np.zeros(len(names), np.int64), ("",)), 0
    with new_folder(to, "aligned images") as target, warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        for done, trouble in enumerate(_each(partial(_align, source, target, manner), tasks, workers), start=1):
            bad += [trouble] if trouble else []
            written += not trouble
            if progress:
                progress(done, len(tasks))
        if on_bad_image == "refuse" or not written:
            _refuse(root, bad)
    return Aligned(written, tuple(bad), found.others)


def _matched(
    names: list[str], known: tuple[str, ...], landmarks: Landmarks, *, png: bool
) -> tuple[list[tuple[str, Points]], list[str]]:
    """Images with their landmarks, and what is wrong with the others: images and landmarks without each other."""
    key = _stem if landmarks.stems else str
    row = {name: at for at, name in enumerate(landmarks.names)}
    taken = Counter(_stem(name) for name in names) if landmarks.stems or png else Counter()
    matched, bad = [], []
    for name in names:
        if key(name) in landmarks.broken:
            bad.append(f"{name}: {landmarks.broken[key(name)]}")
        elif key(name) not in row:
            bad.append(f"{name}: has no landmarks")
        elif taken[_stem(name)] > 1:
            bad.append(f"{name}: another image differs from it in the suffix only")
        else:
            matched.append((name, landmarks.points[row[key(name)]]))
    there = {key(name) for name in known}
    bad += [f"{name}: has landmarks, but there is no such image" for name in landmarks.names if name not in there]
    return matched, bad


def _align(source: ImageList, target: Path, manner: Manner, task: tuple[str, Points]) -> str | None:
    """Aligns and writes one image, or says what is wrong with it. Raises OSError where it cannot be written."""
    name, points = task
    try:
        image = upright(source.read(name)).rgb
        similarity = fit(points, template(manner.pixels))
        outside = [] if manner.allow_outside else _outside(points, image.size)
        if outside:
            raise ValueError(f"{', '.join(outside)} lie outside of its {image.width}x{image.height} pixels")
    except Exception as error:  # Pillow's decoders raise many kinds on damaged files
        return f"{name}: {one_line(error)}"
    path = target / PurePosixPath(name).with_suffix(".png") if manner.png else target / name
    path.parent.mkdir(parents=True, exist_ok=True)
    warp(image, similarity, manner.pixels, antialias=manner.antialias).save(path, **SAVING.get(path.suffix.lower(), {}))
    return None


def _outside(points: Points, size: tuple[int, int]) -> list[str]:
    """Which points are not on the image, whose pixels cover -½ to width - ½ and -½ to height - ½."""
    off = np.any((points < -0.5) | (points > np.array(size) - 0.5), axis=1).tolist()
    return [name for name, is_off in zip(POINT_NAMES, off, strict=True) if is_off]


def _each(
    align: Callable[[tuple[str, Points]], str | None], tasks: list[tuple[str, Points]], workers: int | None
) -> Iterator[str | None]:
    """In threads: Pillow decodes, moves and encodes without holding the interpreter's lock."""
    pool = ThreadPoolExecutor(workers or cores())
    try:
        yield from pool.map(align, tasks)
    finally:
        pool.shutdown(cancel_futures=True)


def _stem(name: str) -> str:
    return name.rpartition(".")[0]


def _refuse(root: Path, bad: list[str]) -> None:
    if bad:
        hint = "mend them, or leave them out with --on-bad-image skip"
        raise DataError(f"{root}: {len(bad)} images cannot be aligned: {some(bad)}; {hint}")
