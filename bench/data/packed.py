"""The packed store: each source is decoded once into one flat uint8 file that all runs of a machine map and share.

``CACHE/packed/DIGEST/images.u8`` holds N·H·W·3 bytes, RGB; ``index.json`` says what they are. The folder appears whole
or not at all.
"""

from __future__ import annotations

import errno
import hashlib
import json
import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from filelock import FileLock

from bench.data._decode import Chunk, Decoded, decode_chunk, versions
from bench.data.cache import some, source_digest, stored_at
from bench.data.types import ImageList, Int
from bench.errors import DataError, StoreError

VERSION = 1
CHUNK = 128
# Starting processes costs more than decoding this many images in the caller.
FEW = 4096

Pixels = npt.NDArray[np.uint8]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class PackedImages:
    """Decoded images and their labels. Hand the digest, not this, to another process: pickling would copy the images.

    ``images``: (N, H, W, 3) uint8, RGB, read-only memory map; ``labels``: (N,) int64 index into ``identities``;
    ``files``: N names relative to the source's root; ``facts``: counts that were noticed while packing.
    """

    images: np.memmap[Any, np.dtype[np.uint8]]
    labels: Int
    identities: tuple[str, ...]
    files: tuple[str, ...]
    digest: str
    facts: dict[str, Any]

    def gather(self, indices: npt.ArrayLike) -> Pixels:
        """Copies the images with these indices (B,) into a writable (B, H, W, 3) uint8 array."""
        return np.asarray(self.images)[np.asarray(indices, np.int64)]


def pack(
    images: ImageList, *, pixels: int, cache: Path, progress: Progress | None = None, workers: int | None = None
) -> str:
    """Decodes and stores the images unless they are stored already; returns the store's digest.

    Each image is turned upright (EXIF), converted to RGB, cut to its central square and, where its side is not
    ``pixels``, resized with Pillow's antialiased bilinear filter. ``progress(done, total)`` is called now and then;
    ``workers`` defaults to the cores this process may use. Two processes that pack the same images decode them once.
    Raises DataError naming the images that are missing or unreadable, StoreError where the store cannot be written;
    then nothing is left behind.
    """
    if not images.files:
        raise DataError(f"{images.root}: there are no images to pack")
    source = source_digest(images, cache=cache)
    digest = hashlib.sha256(json.dumps(["packed", VERSION, source, pixels]).encode()).hexdigest()
    folder = stored_at(cache, "packed", digest)
    if _damage(folder) is None:
        return digest
    with _writing(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f".{digest}.lock")):
            if _damage(folder) is not None:
                _set_aside(folder)
                _write(images, pixels, folder, source, progress, workers)
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
    return PackedImages(
        images=np.memmap(folder / "images.u8", np.uint8, "r", shape=tuple(index["shape"])),
        labels=np.array(index["labels"], np.int64),
        identities=tuple(index["identities"]),
        files=tuple(index["files"]),
        digest=digest,
        facts=index["facts"],
    )


def _damage(folder: Path) -> str | None:
    """What is wrong with a store, or None."""
    try:
        shape = json.loads((folder / "index.json").read_bytes())["shape"]
        expected, found = int(np.prod(shape, dtype=np.int64)), (folder / "images.u8").stat().st_size
    except FileNotFoundError as error:
        return f"{Path(error.filename).name} is missing" if folder.is_dir() else "not packed"
    except (ValueError, KeyError, TypeError, OSError) as error:
        return f"index.json cannot be read ({error})"
    return None if expected == found else f"images.u8 has {found} bytes instead of {expected}"


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
    images: ImageList, pixels: int, folder: Path, source: str, progress: Progress | None, workers: int | None
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
        chunks = [
            Chunk(str(images.root), images.files[start : start + CHUNK], pixels, str(target), start)
            for start in range(0, total, CHUNK)
        ]
        decoded = Decoded()
        for done in _decode_all(chunks, total, workers):
            decoded = decoded + done
            if progress:
                progress(decoded.count + len(decoded.problems), total)
        if decoded.problems:
            raise DataError(f"{images.root}: {len(decoded.problems)} unreadable images: {some(decoded.problems)}")
        index = {
            "version": VERSION,
            "source": source,
            "shape": [total, pixels, pixels, 3],
            "files": images.files,
            "labels": images.labels.tolist(),
            "identities": images.identities,
            "facts": {"grey": decoded.grey, "original_sizes": dict(sorted(decoded.sizes.items()))},
            "versions": versions(),
        }
        (partial / "index.json").write_text(json.dumps(index), encoding="utf-8")
        for file in (target, partial / "index.json"):
            with file.open("rb+") as content:
                os.fsync(content.fileno())
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _decode_all(chunks: list[Chunk], total: int, workers: int | None) -> Iterator[Decoded]:
    workers = min(workers or _cores(), len(chunks))
    if workers <= 1 or total <= FEW:
        yield from map(decode_chunk, chunks)
        return
    # Fresh processes, not forks: the caller may hold threads and locks (torch, a tracker).
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, signal.signal, (signal.SIGINT, signal.SIG_IGN))
    try:
        yield from pool.map(decode_chunk, chunks)
    finally:
        pool.shutdown(cancel_futures=True)
