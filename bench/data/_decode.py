"""Decoding image files into rows of the packed store; what its worker processes import, so it stays light."""

from __future__ import annotations

import functools
import io
import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import PIL
from PIL import Image, ImageOps, UnidentifiedImageError, features

from bench.data.types import ImageList, Pixels

# More than any photograph of a face needs; a small file can claim to be far larger.
MOST_PIXELS = 64_000_000
EIGHT_BIT_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "La", "RGBa")


@dataclass(frozen=True)
class Chunk:
    """A stretch of images to decode into ``target`` from row ``start`` on."""

    images: ImageList
    pixels: int
    target: str
    start: int


@dataclass(frozen=True)
class Decoded:
    """What came of some chunks: images written, how many of them are grey, original sizes, unreadable images.

    ``problems``: row of the target and what is wrong with its image; the row is left black.
    """

    count: int = 0
    grey: int = 0
    sizes: Counter[str] = field(default_factory=Counter)
    problems: tuple[tuple[int, str], ...] = ()

    def __add__(self, other: Decoded) -> Decoded:
        return Decoded(
            self.count + other.count,
            self.grey + other.grey,
            self.sizes + other.sizes,
            self.problems + other.problems,
        )


def decode_chunk(chunk: Chunk) -> Decoded:
    """Decodes a chunk and writes it. Unreadable images are reported, not raised; failing to write raises OSError."""
    files = chunk.images.files
    rows = _rows(len(files), chunk.pixels)
    good = np.ones(len(files), np.bool_)
    sizes: Counter[str] = Counter()
    problems = []
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        for i, file in enumerate(files):
            try:
                rows[i], (width, height) = decode(chunk.images.read(file), chunk.pixels)
            except Exception as error:  # Pillow's decoders raise many kinds on damaged files
                good[i], rows[i] = False, 0
                problems.append((chunk.start + i, f"{file} ({one_line(error)})"))
            else:
                sizes[f"{width}x{height}"] += 1
    with Path(chunk.target).open("rb+") as target:
        target.seek(chunk.start * rows[0].nbytes)
        target.write(rows.data)
    return Decoded(int(good.sum()), _grey(rows[good]), sizes, tuple(problems))


@functools.lru_cache(maxsize=2)
def _rows(count: int, pixels: int) -> Pixels:
    """Memory that the chunks of this process take turns in: fresh pages for each would cost more than the copying."""
    return np.empty((count, pixels, pixels, 3), np.uint8)


def one_line(error: Exception) -> str:
    """Why an image cannot be read, without the line breaks and addresses that some decoders put into it."""
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    if isinstance(error, UnidentifiedImageError):
        reason = "cannot identify image file"
    return " ".join(reason.split()) or type(error).__name__


def decode(source: bytes | Pixels, pixels: int) -> tuple[Pixels, tuple[int, int]]:
    """One image, encoded or as raw RGB, as (pixels, pixels, 3) uint8 RGB, and its original (width, height).

    Upright by its EXIF tag, central square, Pillow's antialiased bilinear filter; an image that has the right side
    already keeps its exact pixels. Raises ValueError for what is no 8-bit image or claims more than 64 million pixels;
    Pillow's own errors pass.
    """
    rgb, size, _ = upright(source)
    width, height = rgb.size
    side = min(width, height)
    if width != height:
        left, top = (width - side) // 2, (height - side) // 2
        rgb = rgb.crop((left, top, left + side, top + side))
    if side != pixels:
        rgb = rgb.resize((pixels, pixels), Image.Resampling.BILINEAR)
    return np.asarray(rgb), size


class Upright(NamedTuple):
    """A whole image, upright, in RGB; its stored (width, height); its encoding, such as ``JPEG L`` or ``raw RGB``."""

    rgb: Image.Image
    size: tuple[int, int]
    encoding: str


def upright(source: bytes | Pixels) -> Upright:
    """One image, encoded or as raw RGB, turned upright by its EXIF tag. Raises as ``decode`` does."""
    with Image.open(io.BytesIO(source)) if isinstance(source, bytes) else Image.fromarray(source) as image:
        size, encoding = image.size, f"{image.format or 'raw'} {image.mode}"
        if size[0] * size[1] > MOST_PIXELS:
            raise ValueError(f"claims {size[0]}x{size[1]} pixels; at most {MOST_PIXELS} are read")
        if image.mode not in EIGHT_BIT_MODES:
            raise ValueError(f"pixel format {image.mode}; convert it to 8 bits a channel")
        # Looking for a tag takes a while, and a JPEG has said by now whether it has any.
        if image.format != "JPEG" or not image.info.keys().isdisjoint(("exif", "xmp")):
            ImageOps.exif_transpose(image, in_place=True)
        image.load()
        rgb = image if image.mode == "RGB" and not image.has_transparency_data else _rgb(image)
    return Upright(rgb, size, encoding)


def _rgb(image: Image.Image) -> Image.Image:
    """Pillow warns when it converts some palettes with transparency straight to RGB."""
    return (image.convert("RGBA") if image.has_transparency_data else image).convert("RGB")


def _grey(rows: npt.NDArray[np.uint8]) -> int:
    """How many images have three equal channels; a middle line tells most of the others."""
    line = rows[:, rows.shape[1] // 2]
    likely = rows[((line[..., 0] == line[..., 1]) & (line[..., 1] == line[..., 2])).all(1)]
    return int(((likely[..., 0] == likely[..., 1]) & (likely[..., 1] == likely[..., 2])).all((1, 2)).sum())


def versions() -> dict[str, str]:
    """Decoders differ in the last bit: what decoded these images."""
    return {"pillow": PIL.__version__, "jpeg": features.version("jpg") or "", "numpy": np.__version__}
