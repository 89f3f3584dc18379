"""The packed store: each source is decoded once into one flat uint8 file that all runs of a machine map and share.

``CACHE/packed/DIGEST/images.u8`` holds N·H·W·3 bytes, RGB; ``index.json`` says what they are. The folder appears whole
or not at all.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from filelock import FileLock

from bench.data._decode import Chunk, Decoded, decode_chunk, versions
from bench.data.cache import source_digest, stored_at
from bench.data.parallel import each
from bench.data.selection import take
from bench.data.types import ImageList, Int, Pixels
from bench.errors import DataError, StoreError, some

VERSION = 1
CHUNK = 128
PIECES, PIECE = 16, 2**22

Progress = Callable[[int, int], None]
OnBadImage = Literal["refuse", "skip"]


@dataclass(frozen=True, eq=False)
class PackedImages:
    """Decoded images and their labels. Hand the digest, not this, to another process: pickling would copy the images.

    ``images``: (N, H, W, 3) uint8, RGB, read-only memory map; ``labels``: (N,) int64 index into ``identities``;
    ``files``: N names relative to the source's root; ``facts``: counts that were noticed while packing. ``rows``: (N,)
    int64, which of the source's images these are; ``skipped``: the unreadable ones that were left out, with the reason.
    """

    images: np.memmap[Any, np.dtype[np.uint8]]
    labels: Int
    identities: tuple[str, ...]
    files: tuple[str, ...]
    digest: str
    facts: dict[str, Any]
    rows: Int
    skipped: tuple[str, ...]

    def gather(self, indices: npt.ArrayLike) -> Pixels:
        """Copies the images with these indices (B,) into a writable (B, H, W, 3) uint8 array."""
        return np.asarray(self.images)[np.asarray(indices, np.int64)]


def pack(
    images: ImageList,
    *,
    pixels: int,
    cache: Path,
    on_bad_image: OnBadImage = "refuse",
    progress: Progress | None = None,
    workers: int | None = None,
) -> str:
    """Decodes and stores the images unless they are stored already; returns the store's digest.

    Each image is turned upright (EXIF), converted to RGB, cut to its central square and, where its side is not
    ``pixels``, resized with Pillow's antialiased bilinear filter. ``progress(done, total)`` is called now and then;
    ``workers`` defaults to the cores this process may use. Two processes that pack the same images decode them once.
    Raises DataError naming the images that are missing or unreadable (with ``on_bad_image="skip"`` those that cannot be
    decoded are left out and listed in the store instead), StoreError where the store cannot be written; then nothing is
    left behind.
    """
    if not images.files:
        raise DataError(f"{images.where}: there are no images to pack")
    source = source_digest(images, cache=cache)
    asked = ["packed", VERSION, source, pixels, *(["skip"] if on_bad_image == "skip" else [])]
    digest = hashlib.sha256(json.dumps(asked).encode()).hexdigest()
    folder = stored_at(cache, "packed", digest)
    if _damage(folder) is None:
        return digest
    with _writing(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f".{digest}.lock")):
            if _damage(folder) is not None:
                _set_aside(folder)
                _write(images, pixels, folder, source, on_bad_image, progress, workers)
    return digest


def open_packed(cache: Path, digest: str) -> PackedImages:
    """Maps a packed store. A damaged one is set aside, so that packing again repairs it. Raises DataError."""
    folder = stored_at(cache, "packed", digest)
    damage = _damage(folder)
    if damage is not None:
        kept = _set_aside(folder)
        aside = f"; it was set aside as {kept}" if kept else ""
        raise DataError(f"packed images {folder}: {damage}{aside}; run the same command again to pack them")
    index = json.loads((folder / "index.json").read_bytes())
    shape = tuple(index["shape"])
    return PackedImages(
        images=np.memmap(folder / "images.u8", np.uint8, "r", shape=shape),
        labels=np.array(index["labels"], np.int64),
        identities=tuple(index["identities"]),
        files=tuple(index["files"]),
        digest=digest,
        facts=index["facts"],
        rows=np.array(index["rows"], np.int64) if "rows" in index else np.arange(shape[0]),
        skipped=tuple(index.get("skipped", ())),
    )


def is_packed(cache: Path, digest: str) -> bool:
    """Whether the images with this digest are stored, whole."""
    return _damage(stored_at(cache, "packed", digest)) is None


def _damage(folder: Path) -> str | None:
    """What is wrong with a store, or None."""
    images = folder / "images.u8"
    try:
        index = json.loads((folder / "index.json").read_bytes())
        if index.get("checksum", _checksum(index)) != _checksum(index):
            return "index.json does not match its checksum"
        expected, found = int(np.prod(index["shape"], dtype=np.int64)), images.stat().st_size
        if expected == found and "sample" in index and _sample(images) != index["sample"]:
            return "images.u8 does not hold what was packed"
    except FileNotFoundError as error:
        return f"{Path(error.filename).name} is missing" if folder.is_dir() else "not packed"
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        return f"index.json cannot be read ({error})"
    return None if expected == found else f"images.u8 has {found} bytes instead of {expected}"


def _checksum(index: dict[str, Any]) -> str:
    """Of all that ``index.json`` says beside it."""
    said = {key: value for key, value in index.items() if key != "checksum"}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def _sample(file: Path) -> str:
    """sha256 of a file of at most PIECES · PIECE bytes, of a larger one of so much, evenly spread: seeing all of it
    would take minutes at every start."""
    size = file.stat().st_size
    last = max(0, size - PIECE)
    count = min(PIECES, -(-size // PIECE))
    found = hashlib.sha256()
    with file.open("rb") as content:
        for i in range(count):
            content.seek(last * i // max(1, count - 1))
            found.update(content.read(PIECE))
    return found.hexdigest()


def _set_aside(folder: Path) -> Path | None:
    """Moves a damaged store out of the way (in place of an earlier one); None where there is nothing."""
    if not folder.exists():
        return None
    aside = folder.with_name(f"{folder.name}.damaged")
    try:
        if aside.exists():
            shutil.rmtree(aside)
        folder.rename(aside)
    except OSError:
        # A reader that may not write here, or another process that was faster.
        return None
    return aside


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        free = ", the disk is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
        raise StoreError(
            f"cannot write packed images to {folder.parent}{free} ({error.strerror or error}); "
            "BENCH_CACHE chooses another folder"
        ) from None
    except BrokenProcessPool:
        raise StoreError("a process that packed images died (out of memory?); nothing was stored") from None


def _write(
    images: ImageList,
    pixels: int,
    folder: Path,
    source: str,
    on_bad_image: OnBadImage,
    progress: Progress | None,
    workers: int | None,
) -> None:
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    total = len(images.files)
    needed = total * pixels * pixels * 3
    free = shutil.disk_usage(folder.parent).free
    if needed > free:
        raise OSError(errno.ENOSPC, f"{needed / 2**20:.0f} MiB are needed, {free / 2**20:.0f} MiB are free")
    try:
        partial.mkdir()
        target = partial / "images.u8"
        target.touch()
        decoded = Decoded()
        for done in each(decode_chunk, _chunks(images, pixels, target), total, workers):
            decoded = decoded + done
            if progress:
                progress(decoded.count + len(decoded.problems), total)
        reasons = [reason for _, reason in decoded.problems]
        if reasons and on_bad_image == "refuse":
            raise DataError(
                f"{images.where}: {len(reasons)} unreadable images: {some(reasons)}; "
                "mend them, or say `on_bad_image: skip` to leave them out"
            )
        if not decoded.count:
            raise DataError(f"{images.where}: none of {total} images can be read: {some(reasons)}")
        kept = np.setdiff1d(np.arange(total), [row for row, _ in decoded.problems])
        left = take(images, kept) if reasons else images
        index = {
            "version": VERSION,
            "source": source,
            "shape": [len(kept), pixels, pixels, 3],
            "files": left.files,
            "labels": left.labels.tolist(),
            "identities": left.identities,
            "facts": {"grey": decoded.grey, "original_sizes": dict(sorted(decoded.sizes.items()))},
            "versions": versions(),
        }
        if reasons:
            _close_gaps(target, kept, (total, pixels, pixels, 3))
            index |= {"rows": kept.tolist(), "skipped": reasons}
        index["sample"] = _sample(target)
        index["checksum"] = _checksum(index)
        (partial / "index.json").write_text(json.dumps(index), encoding="utf-8")
        for file in (target, partial / "index.json"):
            with file.open("rb+") as content:
                os.fsync(content.fileno())
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _chunks(images: ImageList, pixels: int, target: Path) -> list[Chunk]:
    nobody = images.labels[:0]
    return [
        Chunk(
            replace(images, files=images.files[start : start + CHUNK], labels=nobody, identities=()),
            pixels,
            str(target),
            start,
        )
        for start in range(0, len(images.files), CHUNK)
    ]


def _close_gaps(target: Path, kept: Int, shape: tuple[int, ...]) -> None:
    """Moves the kept rows to the front of the file and cuts off the rest."""
    rows = np.memmap(target, np.uint8, "r+", shape=shape)
    for start in range(0, len(kept), CHUNK):
        rows[start : start + CHUNK][: len(kept) - start] = rows[kept[start : start + CHUNK]]
    rows.flush()
    del rows
    os.truncate(target, len(kept) * int(np.prod(shape[1:])))
