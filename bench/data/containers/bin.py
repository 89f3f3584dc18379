"""InsightFace's verification sets (``lfw.bin``, ``cfp_fp.bin``, …): a pickle of images, two a pair, and what they are.

The pickle is ``(images, same)``: 2·P encoded images (bytes, or uint8 arrays of them) in the order a0, b0, a1, b1, …,
and P truth values.
"""

from __future__ import annotations

import functools
import mmap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.data.containers._files import Version, mapped, version, written_whole
from bench.data.containers._pickle_values import Array, RefusedError, Span, described
from bench.data.containers._pickled import read_pickle
from bench.data.types import Bool, Pixels
from bench.errors import DataError, some

EXPECTED = "expected a pickle of two lists, encoded images and truth values"


@dataclass(frozen=True, eq=False)
class _Contents:
    data: mmap.mmap
    images: tuple[Span | Array, ...]
    same: Bool


@dataclass(frozen=True)
class BinFile:
    """A verification file as a container; image i of the file is named by ``i`` in six digits or more, from 0.

    ``channels``: "rgb" or "bgr" where images are stored as raw colour pixels, which do not say what they are.
    The file is opened once a process when first asked, and anew where it has changed.
    """

    path: Path
    channels: str | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        return (self.path,)

    @property
    def names(self) -> tuple[str, ...]:
        """The 2·P names, a0, b0, a1, b1, …"""
        return tuple([f"{i:06d}" for i in range(len(self._opened().images))])

    @property
    def same(self) -> Bool:
        """(P,) whether a pair is genuine."""
        return self._opened().same

    def read(self, name: str) -> bytes | Pixels:
        """The encoded image of this name; (H, W, 3) uint8 RGB where the file holds raw pixels, grey ones repeated.

        Raises DataError where there is none, or where raw pixels have three channels and ``channels`` is not given.
        """
        contents = self._opened()
        index = int(name) if name.isascii() and name.isdigit() and len(name) < 19 else -1
        if not 0 <= index < len(contents.images):
            raise DataError(f"{self.path}: there is no image {name!r}")
        image = contents.images[index]
        if isinstance(image, Span):
            return image.bytes_in(contents.data)
        pixels = image.numbers_in(contents.data).astype(np.uint8, copy=False)
        if _is_encoded(image):
            return pixels.tobytes()
        if pixels.ndim == 2:
            return np.repeat(pixels[..., None], 3, axis=2)
        if self.channels is None:
            raise DataError(f"{self.path}: image {name} is raw pixels; the option channels must say rgb or bgr")
        return pixels if self.channels == "rgb" else np.ascontiguousarray(pixels[..., ::-1])

    def _opened(self) -> _Contents:
        file = version(str(self.path))
        if file is None:
            raise DataError(f"there is no file {self.path}")
        return _open(file)


def write_bin(path: Path, encoded: Iterable[bytes], same: Sequence[bool]) -> None:
    """Writes 2·P encoded images (a0, b0, a1, b1, …) and P truth values so that InsightFace reads them.

    The pickle has protocol 3 and is written image by image. Raises DataError where the counts disagree, an image is
    empty or longer than 4 GiB, or the file exists; then nothing is left behind.
    """
    with written_whole(path) as (out,):
        out.write(b"\x80\x03](")
        count = 0
        for count, image in enumerate(encoded, start=1):
            if not 0 < len(image) < 2**32:
                raise DataError(f"{path}: image {count - 1} has {len(image)} bytes")
            out.write(b"B" + len(image).to_bytes(4, "little") + image)
        if not count or count != 2 * len(same):
            raise DataError(f"{path}: {count} images for {len(same)} pairs; a pair needs two")
        out.write(b"e](" + b"".join(b"\x88" if genuine else b"\x89" for genuine in same) + b"e\x86.")


@functools.lru_cache(maxsize=8)
def _open(file: Version) -> _Contents:
    path, data = file[0], mapped(file[0])
    try:
        value = read_pickle(data)
        if not isinstance(value, tuple | list) or len(value) != 2:
            raise RefusedError(f"holds {described(value)}, {EXPECTED}")
        images, same = value
        if not isinstance(images, tuple | list):
            raise RefusedError(f"holds {described(images)} in place of images, {EXPECTED}")
        labels = same.numbers_in(data).tolist() if isinstance(same, Array) and len(same.shape) == 1 else same
        if not isinstance(labels, tuple | list):
            raise RefusedError(f"holds {described(same)} in place of truth values, {EXPECTED}")
        if not images or len(images) != 2 * len(labels):
            raise RefusedError(f"holds {len(images)} images and {len(labels)} truth values; a pair has two images")
    except RefusedError as error:
        raise DataError(f"{path}: {error}") from None
    problems = [
        *(f"image {i} is {described(image)}" for i, image in enumerate(images) if not _is_image(image)),
        *(
            f"pair {p} has the truth value {described(label)}"
            for p, label in enumerate(labels)
            if not (isinstance(label, int) and label in (0, 1))
        ),
    ]
    if problems:
        raise DataError(f"{path}: {some(problems)}; {EXPECTED}")
    return _Contents(data, tuple(images), np.array(labels, np.bool_))


def _is_image(value: object) -> bool:
    if isinstance(value, Array) and value.dtype == np.uint8:
        colour = len(value.shape) == 3 and value.shape[2] == 3
        return 0 not in value.shape and (len(value.shape) in (1, 2) or colour)
    return isinstance(value, Span) and value.kind != "text" and value.size > 0


def _is_encoded(array: Array) -> bool:
    """OpenCV encodes images into arrays of shape (N,) or (N, 1)."""
    return len(array.shape) == 1 or (len(array.shape) == 2 and 1 in array.shape)
