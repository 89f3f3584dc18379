"""Training images written as InsightFace's own ``.rec`` and ``.idx``."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

from bench.data.containers._files import written_whole
from bench.data.containers.record import (
    EXACT,
    FIRST,
    HEADER,
    LAST,
    LENGTH_BITS,
    MAGIC,
    MAGIC_BYTES,
    MIDDLE,
    PART,
    WHOLE,
)
from bench.errors import DataError


def write_records(
    path: Path, records: Iterable[tuple[bytes, int]], *, size: tuple[int, int] | None = None
) -> tuple[int, int]:
    """Writes encoded images and their labels to ``path`` (``NAME.rec``) and ``NAME.idx``; returns (images, people).

    A person's images must follow each other, as InsightFace keeps only the first and the last of each. The layout is
    its own: images as records 1, 2, …; record 0 with the range of the identity records; one of these a person, with
    the range of the images. With ``size`` (height, width), ``property`` beside them says ``classes,height,width``,
    which InsightFace's older trainers read. Nothing is held in memory but the index; all files appear, or none.
    Raises DataError for images that are empty or too long, labels that are not grouped or not below 2^24, more records
    than float32 can number (2^24), no images, or a file that exists.
    """
    if path.suffix != ".rec":
        raise DataError(f"{path}: a record file is named NAME.rec")
    extra = [path.with_name("property")] if size else []
    with written_whole(path, path.with_suffix(".idx"), *extra) as (out, index, *rest):
        writer = _Writer(path, out, index)
        first_of: dict[int, int] = {}
        key, last = 0, -1
        for key, (image, label) in enumerate(records, start=1):
            if not 0 <= label < EXACT:
                raise DataError(f"{path}: image {key}: label {label} is not from 0 to {EXACT - 1}")
            if label != last and label in first_of:
                raise DataError(f"{path}: image {key}: label {label} comes again after {last}; group images by label")
            first_of.setdefault(label, key)
            last = label
            if not image:
                raise DataError(f"{path}: image {key} is empty")
            writer.add(key, HEADER.pack(0, label, key, 0) + image)
        if not first_of:
            raise DataError(f"{path}: there are no images to write")
        starts = [*first_of.values(), key + 1]
        writer.add(0, _range(0, key + 1, key + 1 + len(first_of)))
        for identity, (start, stop) in enumerate(pairwise(starts), start=key + 1):
            writer.add(identity, _range(identity, start, stop))
        if size:
            rest[0].write(f"{max(first_of) + 1},{size[0]},{size[1]}".encode())
    return key, len(first_of)


class _Writer:
    """Appends records and their lines in the index."""

    def __init__(self, path: Path, out: BinaryIO, index: BinaryIO) -> None:
        self.path, self.out, self.index, self.at = path, out, index, 0

    def add(self, key: int, payload: bytes) -> None:
        if key >= EXACT:
            raise DataError(f"{self.path}: float32 cannot number more than {EXACT} records; write several files")
        if len(payload) >> LENGTH_BITS:
            raise DataError(f"{self.path}: record {key} has {len(payload)} bytes, at most {(1 << LENGTH_BITS) - 1} fit")
        self.index.write(b"%d\t%d\n" % (key, self.at))
        parts = _split(payload)
        for i, part in enumerate(parts):
            flag = WHOLE if len(parts) == 1 else FIRST if i == 0 else LAST if i == len(parts) - 1 else MIDDLE
            padding = bytes(-len(part) % 4)
            self.out.write(PART.pack(MAGIC, flag << LENGTH_BITS | len(part)) + part + padding)
            self.at += PART.size + len(part) + len(padding)


def _split(payload: bytes) -> list[bytes]:
    """The stretches between magic words at multiples of 4 bytes."""
    parts, start, at = [], 0, payload.find(MAGIC_BYTES)
    while at >= 0:
        if at % 4 == 0:
            parts.append(payload[start:at])
            start = at + 4
        at = payload.find(MAGIC_BYTES, at + (4 if at % 4 == 0 else 1))
    return [*parts, payload[start:]]


def _range(key: int, start: int, stop: int) -> bytes:
    """A record without an image: the keys from ``start`` up to, not including, ``stop``."""
    return HEADER.pack(2, 0.0, key, 0) + struct.pack("<2f", start, stop)
