"""InsightFace's ``train.rec`` and ``train.idx`` (MXNet RecordIO), read without MXNet.

A record is one part or several. A part is a little-endian magic word, a word of 3 bits continuation flag (0: whole
record; 1 first, 2 middle, 3 last part) and 29 bits length, and that many bytes, padded to a multiple of 4. Where the
magic word lies in a record at a multiple of 4 bytes, the writer ends a part in its stead, and the reader puts it back.
An image's record is a header ``<IfQQ`` (flag, label, id, id2); where flag > 0, that many float32, of which the first
is the label; then the encoded image.
"""

from __future__ import annotations

import functools
import mmap
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.data.containers._files import Version, mapped, version
from bench.data.types import Bool, Int
from bench.errors import SHOWN, DataError

MAGIC = 0xCED7230A
MAGIC_BYTES = struct.pack("<I", MAGIC)
LENGTH_BITS = 29
WHOLE, FIRST, MIDDLE, LAST = range(4)
PART = struct.Struct("<II")
HEADER = struct.Struct("<IfQQ")
# float32 holds every whole number below this; beyond, a label would be rounded to that of another person.
EXACT = 2**24

_IDX = re.compile(rb"(?:[0-9]{1,18}+\t[0-9]{1,18}+\r?\n)*+")
_LENGTH = (1 << LENGTH_BITS) - 1


class _BrokenRecordError(ValueError):
    """What is wrong with one record."""


@dataclass(frozen=True, eq=False)
class _Headers:
    """Of N records: flag, first label, id, and how many bytes of image follow."""

    flag: Int
    label: npt.NDArray[np.float32]
    id: npt.NDArray[np.uint64]
    image: Int


@dataclass(frozen=True)
class RecordFile:
    """A record file as a container of encoded images; ``path`` is ``NAME.rec``.

    A name is a record's key in decimal digits. ``NAME.idx`` beside it holds a line ``key<TAB>offset`` a record; without
    one the file is scanned, and the id in a record's header is its key. Files are opened once a process when first
    asked, and anew where they have changed.
    """

    path: Path

    @property
    def files(self) -> tuple[Path, ...]:
        index = self.path.with_suffix(".idx")
        return (self.path, index) if index.exists() else (self.path,)

    def read(self, name: str) -> bytes:
        """The encoded image of this key. Raises DataError naming the record where there is none or it is broken."""
        data, keys, offsets = self._opened()
        key = int(name) if name.isascii() and name.isdigit() and len(name) < 19 else -1
        found = int(keys.searchsorted(key))
        if found == len(keys) or keys[found] != key:
            raise DataError(f"{self.path}: there is no record {name!r}")
        try:
            *_, image = _unpacked(_payload(data, int(offsets[found]), len(data)))
        except _BrokenRecordError as error:
            raise DataError(f"{self.path}: record {name}: {error}") from None
        if not image:
            raise DataError(f"{self.path}: record {name} holds no image")
        return image

    def images(self) -> tuple[Int, Int]:
        """Keys (N,) of the images, ascending, and their labels (N,); reads the header of every record.

        In InsightFace's training files record 0 holds no image but two numbers: the first key of the identity records
        and the one after their last. The images are then the keys from 1 up to the first identity record. Identity
        records (which keys are whose) are not needed: an image's own label counts, as in InsightFace's own reader.
        Without such a record 0, every record is an image. Raises DataError for all records that are broken.
        """
        data, keys, offsets = self._opened()
        headers = _headers(self.path, data, keys, offsets)
        if keys[0] == 0 and headers.flag[0] >= 2 and not headers.image[0]:
            chosen = np.flatnonzero(headers.image)
            self._check_promise(headers.label[0], keys[chosen])
        else:
            chosen = np.arange(len(keys))
            _refuse(self.path, keys, headers.image == 0, lambda i: "holds no image")
        keys, labels = keys[chosen], headers.label[chosen]
        with np.errstate(invalid="ignore"):
            wrong = ~((labels >= 0) & (labels < EXACT) & (labels == np.floor(labels)))
        allowed = f"expected a whole number from 0 to {EXACT - 1} (float32 is not exact beyond)"
        _refuse(self.path, keys, wrong, lambda i: f"label {labels[i]:.9g}, {allowed}")
        return keys, labels.astype(np.int64)

    def _check_promise(self, first_identity: np.float32, keys: Int) -> None:
        """Raises DataError unless the images are all the keys before the first identity record (rounded to float32)."""
        count = len(keys)
        if not count:
            raise DataError(f"{self.path} holds no images")
        if not np.array_equal(keys, np.arange(1, count + 1)) or np.float32(count + 1) != first_identity:
            gap = np.flatnonzero(keys != np.arange(1, count + 1))
            missing = f", and {gap[0] + 1} is not among them" if len(gap) else ""
            raise DataError(
                f"{self.path}: record 0 promises images 1 to {float(first_identity) - 1:.0f}, "
                f"found {count} images, {keys[0]} to {keys[-1]}{missing}"
            )

    def _opened(self) -> tuple[mmap.mmap, Int, Int]:
        path = str(self.path)
        rec = version(path)
        if rec is None:
            raise DataError(f"there is no record file {path}")
        return _open(rec, version(path.removesuffix(".rec") + ".idx"))


@functools.lru_cache(maxsize=8)
def _open(rec: Version, idx: Version | None) -> tuple[mmap.mmap, Int, Int]:
    """The mapped file, and its records' keys, ascending, and offsets."""
    path, data = Path(rec[0]), mapped(rec[0])
    if idx:
        source, advice = Path(idx[0]), ""
        keys, offsets = _indexed(source)
    else:
        source, advice = path, " (without an .idx, keys are the ids in the headers)"
        offsets = _scanned(path, data)
        ids = _headers(path, data, offsets, offsets).id
        _refuse(path, offsets, ids >= 10**18, lambda i: f"id {ids[i]} is too large for a key")
        keys = ids.astype(np.int64)
    if not len(keys):
        raise DataError(f"{source} holds no records")
    order = np.argsort(keys, kind="stable")
    keys, offsets = keys[order], offsets[order]
    _refuse(source, keys, np.append(False, keys[1:] == keys[:-1]), lambda i: f"comes a second time{advice}")
    return data, keys, offsets


def _indexed(path: Path) -> tuple[Int, Int]:
    """Keys and offsets of an .idx file, in its order. Raises DataError naming the lines that are wrong."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None
    if text and not text.endswith(b"\n"):
        text += b"\n"
    matched = _IDX.match(text)
    if not matched or matched.end() < len(text):
        wrong = [n for n, line in enumerate(text.splitlines(keepends=True), start=1) if not _IDX.fullmatch(line)]
        lines = text.splitlines()
        told = "; ".join(f"line {n}: found {lines[n - 1][:40]!r}" for n in wrong[:SHOWN])
        raise DataError(f"{path}: {len(wrong)} lines are not 'key<TAB>offset' in decimal digits: {told}")
    numbers = np.fromstring(text.decode("ascii"), np.int64, sep=" ").reshape(-1, 2)
    return numbers[:, 0], numbers[:, 1]


def _scanned(path: Path, data: mmap.mmap) -> Int:
    """Offsets of the records of a file without an index."""
    offsets, at, size = [], 0, len(data)
    while at < size:
        offsets.append(at)
        try:
            at = _padded(_parts(data, at, size)[-1][1])
        except _BrokenRecordError as error:
            raise DataError(f"{path}: after {len(offsets) - 1} records: {error}") from None
    return np.array(offsets, np.int64)


def _headers(path: Path, data: mmap.mmap, names: Int, offsets: Int) -> _Headers:
    """The headers of the records at these offsets. Raises DataError naming up to five broken records."""
    size, count = len(data), len(offsets)
    # A record ends before the next one, so a file costs no more to read than its size.
    order = np.argsort(offsets, kind="stable")
    limit = np.empty(count, np.int64)
    limit[order] = np.append(offsets[order][1:], size).clip(max=size)
    words = np.frombuffer(data, "<u4", size // 4)
    floats = words.view("<f4")
    # Records in one part, nearly all there are, at once; the others one by one, which also tells what is wrong.
    rows = np.flatnonzero((offsets % 4 == 0) & (offsets + PART.size + HEADER.size + 4 <= size))
    at = offsets[rows] // 4
    second, flag = words[at + 1].astype(np.int64), words[at + 2].astype(np.int64)
    length = second & _LENGTH
    image = length - HEADER.size - 4 * flag
    fits = (image >= 0) & (offsets[rows] + PART.size + length <= limit[rows])
    sound = fits & (words[at] == MAGIC) & (second >> LENGTH_BITS == WHOLE)
    rows, at, flag, image = rows[sound], at[sound], flag[sound], image[sound]
    headers = _Headers(
        flag=np.zeros(count, np.int64),
        label=np.zeros(count, np.float32),
        id=np.zeros(count, np.uint64),
        image=np.zeros(count, np.int64),
    )
    headers.flag[rows], headers.image[rows] = flag, image
    headers.label[rows] = np.where(flag > 0, floats[at + 8], floats[at + 3])
    headers.id[rows] = words[at + 4] + (words[at + 5].astype(np.uint64) << np.uint64(32))
    others = np.ones(count, np.bool_)
    others[rows] = False
    problems, broken = [], 0
    for i in np.flatnonzero(others).tolist():
        try:
            payload = _payload(data, int(offsets[i]), int(limit[i]))
            headers.flag[i], headers.label[i], headers.id[i], rest = _unpacked(payload)
            headers.image[i] = len(rest)
        except _BrokenRecordError as error:
            broken += 1
            problems += [f"record {names[i]}: {error}"] if broken <= SHOWN else []
    if broken:
        raise DataError(f"{path}: {broken} broken records of {count}: {'; '.join(problems)}")
    return headers


def _parts(data: mmap.mmap, at: int, limit: int) -> list[tuple[int, int]]:
    """(start, stop) of the bytes of each part of the record at this offset, which ends at ``limit`` or before."""
    parts: list[tuple[int, int]] = []
    while True:
        if at % 4:
            raise _BrokenRecordError(f"byte {at} is no multiple of 4")
        if at + PART.size > limit:
            raise _BrokenRecordError(f"byte {at} lies beyond {_end(data, limit)}")
        magic, second = PART.unpack_from(data, at)
        flag, length = second >> LENGTH_BITS, second & _LENGTH
        if magic != MAGIC:
            raise _BrokenRecordError(f"byte {at}: found {magic:#010x} instead of the magic word {MAGIC:#010x}")
        if flag not in ((MIDDLE, LAST) if parts else (WHOLE, FIRST)):
            place = "inside" if parts else "at the start of"
            raise _BrokenRecordError(f"byte {at}: continuation flag {flag} {place} a record")
        start, stop = at + PART.size, at + PART.size + length
        if stop > limit:
            left = f"{limit - start} are left before {_end(data, limit)}"
            raise _BrokenRecordError(f"byte {at}: promises {length} bytes, {left}")
        parts.append((start, stop))
        if flag in (WHOLE, LAST):
            return parts
        at = _padded(stop)


def _end(data: mmap.mmap, limit: int) -> str:
    return f"the end of the file at {limit}" if limit == len(data) else f"the next record at {limit}"


def _padded(at: int) -> int:
    return at + 3 & ~3


def _payload(data: mmap.mmap, at: int, limit: int) -> bytes:
    return MAGIC_BYTES.join([data[start:stop] for start, stop in _parts(data, at, limit)])


def _unpacked(payload: bytes) -> tuple[int, float, int, bytes]:
    """(flag, label, id, image)."""
    if len(payload) < HEADER.size:
        raise _BrokenRecordError(f"has {len(payload)} bytes, its header alone needs {HEADER.size}")
    flag, label, key, _ = HEADER.unpack_from(payload)
    image = HEADER.size + 4 * flag
    if len(payload) < image:
        raise _BrokenRecordError(f"has {len(payload)} bytes, its header and {flag} labels need {image}")
    return flag, struct.unpack_from("<f", payload, HEADER.size)[0] if flag else label, key, payload[image:]


def _refuse(path: Path, names: Int, wrong: Bool, say: Callable[[int], str]) -> None:
    """Raises DataError where there are wrong records, telling up to five of them and how many there are."""
    found = np.flatnonzero(wrong)
    if len(found):
        told = "; ".join(f"record {names[i]}: {say(i)}" for i in found[:SHOWN].tolist())
        more = f"; … ({len(found)} in all)" if len(found) > SHOWN else ""
        raise DataError(f"{path}: {told}{more}")
