"""Every image of a source looked at once: does it decode, how large is it, is it grey, what are its bytes."""

from __future__ import annotations

import warnings
from collections import Counter
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
from PIL import Image

from bench.data._decode import one_line, upright
from bench.data.cache import content_of
from bench.data.packed import Progress
from bench.data.parallel import each
from bench.data.types import Bool, ImageList, Int, Pixels

CHUNK = 128


@dataclass(frozen=True, eq=False)
class Examined:
    """What was seen of N images.

    ``rows``: (N,) int64, which of the source's images; ``size``: (N, 2) int64, stored width and height; ``grey``: (N,)
    bool, one channel or three equal ones; ``content``: (N, 2) uint64, of the sha256 of the stored bytes; all zeros
    where an image is unreadable. ``encodings``: such as ``JPEG RGB``; ``bytes``: of all that could be read.
    ``problems``: row → why the image cannot be decoded.
    """

    rows: Int
    size: Int
    grey: Bool
    content: npt.NDArray[np.uint64]
    encodings: Counter[str] = field(default_factory=Counter)
    bytes: int = 0
    problems: dict[int, str] = field(default_factory=dict)

    @property
    def readable(self) -> Bool:
        """(N,)"""
        return self.size[:, 0] > 0

    def same_content(self) -> list[Int]:
        """The groups of rows, two or more, whose stored bytes are the same."""
        good = np.flatnonzero(self.readable)
        _, group, count = np.unique(self.content[good], axis=0, return_inverse=True, return_counts=True)
        again = np.flatnonzero(count[group] > 1)
        order = again[np.argsort(group[again], kind="stable")]
        if not len(order):
            return []
        cuts = np.flatnonzero(np.diff(group[order])) + 1
        return sorted(np.split(self.rows[good[order]], cuts), key=lambda rows: int(rows[0]))


def examine(
    images: ImageList, *, rows: Int | None = None, progress: Progress | None = None, workers: int | None = None
) -> Examined:
    """Reads and decodes the images at these rows (default: all), as packing them would."""
    rows = np.arange(len(images.files)) if rows is None else rows
    nobody = images.labels[:0]
    chunks = [
        (chunk, replace(images, files=tuple(images.files[row] for row in chunk), labels=nobody, identities=()))
        for chunk in (rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK))
    ]
    parts, encodings, size, problems, done = [], Counter[str](), 0, dict[int, str](), 0
    for part in each(_examine_chunk, chunks, len(rows), workers):
        parts.append(part)
        encodings += part.encodings
        size += part.bytes
        problems |= part.problems
        done += len(part.rows)
        if progress:
            progress(done, len(rows))
    return Examined(
        rows,
        np.concatenate([part.size for part in parts] or [np.zeros((0, 2), np.int64)]),
        np.concatenate([part.grey for part in parts] or [np.zeros(0, np.bool_)]),
        np.concatenate([part.content for part in parts] or [np.zeros((0, 2), np.uint64)]),
        encodings,
        size,
        problems,
    )


def _examine_chunk(chunk: tuple[Int, ImageList]) -> Examined:
    rows, images = chunk
    count = len(rows)
    size, grey, content = np.zeros((count, 2), np.int64), np.zeros(count, np.bool_), np.zeros((count, 2), np.uint64)
    encodings, total, problems = Counter[str](), 0, {}
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        for i, (row, file) in enumerate(zip(rows.tolist(), images.files, strict=True)):
            try:
                stored = images.read(file)
                image = upright(stored)
            except Exception as error:  # Pillow's decoders raise many kinds on damaged files
                problems[row] = one_line(error)
                continue
            size[i], grey[i] = image.size, _is_grey(np.asarray(image.rgb))
            content[i] = np.frombuffer(content_of(stored)[:16], np.uint64)
            encodings[image.encoding] += 1
            total += len(stored) if isinstance(stored, bytes) else stored.nbytes
    return Examined(rows, size, grey, content, encodings, total, problems)


def _is_grey(rgb: Pixels) -> bool:
    """Whether the three channels are equal; a middle line tells most images where they are not."""
    return all((part == part[..., :1]).all() for part in (rgb[len(rgb) // 2], rgb))


def sample_rows(images: ImageList, count: int | None) -> Int:
    """Rows of ``count`` images, the middles of as many equal stretches of the list; of all images for None."""
    total = len(images.files)
    if count is None or count >= total:
        return np.arange(total)
    return (2 * np.arange(count) + 1) * total // (2 * count)
