"""Files between machines that share no folder, through Ray's object store: packed data there, run folders both ways.

A sent file is a list of chunks with the size and SHA-256 of the whole. What is received is checked against both, and
appears whole or not at all.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from bench.data.cache import stored_at
from bench.data.packed import open_packed
from bench.data.protocols import open_protocol
from bench.errors import DataError, StoreError
from bench.store import Store

CHUNK_BYTES = 32 * 2**20

_NAME = r"(?!lease\.)[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)+"
_CACHE_FILE = re.compile(_NAME)
_RUN_FILE = re.compile(rf"((checkpoint|evaluations)/)?{_NAME}")


@dataclass(frozen=True)
class SentFile:
    """A file in the object store: its bytes in order, as (n,) uint8 objects, and what they must add up to."""

    size: int
    sha256: str
    chunks: tuple[Any, ...]


@dataclass(frozen=True)
class SentRun:
    """What is new in a run's folder, by name relative to it, and which names are there no longer."""

    files: dict[str, SentFile]
    gone: tuple[str, ...] = ()


@dataclass(frozen=True)
class SentData:
    """One thing of the cache: ``packed`` images or a protocol, by its digest, and its files."""

    kind: str
    digest: str
    files: dict[str, SentFile]


def send_file(path: Path) -> SentFile:
    """Puts a file into the object store; this process owns it there as long as it keeps the value."""
    import numpy as np
    import ray

    total, chunks, size = hashlib.sha256(), [], 0
    with path.open("rb") as file:
        while block := file.read(CHUNK_BYTES):
            total.update(block)
            size += len(block)
            chunks.append(ray.put(np.frombuffer(block, np.uint8)))
    return SentFile(size, total.hexdigest(), tuple(chunks))


def receive_file(path: Path, sent: SentFile) -> None:
    """Writes a sent file. Raises StoreError if more, fewer or other bytes come than were announced."""
    import ray

    total, size = hashlib.sha256(), 0
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        for chunk in sent.chunks:
            block = ray.get(chunk)
            size += block.nbytes
            if size > sent.size:
                break
            total.update(block)
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
    if size != sent.size or total.hexdigest() != sent.sha256:
        raise StoreError(f"{path.name}: other bytes arrived than were announced ({sent.size} bytes)")


# the cache


def data_of(cache: Path, runs: Iterable[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """(kind, digest) of everything in the cache that these runs read. Raises DataError where a protocol is missing."""
    found: dict[tuple[str, str], None] = {}
    for run in runs:
        found["packed", run["config"]["train"]["digest"]] = None
        for digest in run["protocols"].values():
            found["packed", _images_of(cache, digest)] = None
            found["protocols", digest] = None
    return list(found)


@functools.cache
def _images_of(cache: Path, protocol: str) -> str:
    return open_protocol(cache, protocol).images.digest


def send_data(cache: Path, kind: str, digest: str) -> SentData:
    """Puts it into the object store. Raises DataError where it is missing or damaged."""
    folder = stored_at(cache, kind, digest)
    files = sorted(folder.iterdir()) if kind == "packed" else [folder.with_suffix(".safetensors")]
    return SentData(kind, digest, {file.name: send_file(file) for file in files})


def receive_data(cache: Path, sent: SentData) -> None:
    """Makes it part of this machine's cache unless it is there. Only one process of a machine does, under a lock."""
    target = stored_at(cache, sent.kind, sent.digest)
    with _writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(target.with_name(f".{target.name}.lock")):  # the same that packing takes
            if _there(cache, sent):
                return
            partial = target.with_name(f".{target.name}.partial")
            shutil.rmtree(partial, ignore_errors=True)
            try:
                for name, file in sent.files.items():
                    receive_file(partial / _plain(name), file)
                if sent.kind == "packed":
                    partial.rename(target)
                else:
                    for name in sent.files:
                        (partial / name).replace(target.parent / name)
            finally:
                shutil.rmtree(partial, ignore_errors=True)


def _there(cache: Path, sent: SentData) -> bool:
    with suppress(DataError):
        if sent.kind == "packed":
            open_packed(cache, sent.digest)
        else:
            open_protocol(cache, sent.digest)
        return True
    return False


def _plain(name: str) -> str:
    if not _CACHE_FILE.fullmatch(name):
        raise StoreError(f"not the name of a file in the cache: {name!r}")
    return name


@contextmanager
def _writing(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(f"{target}: cannot be written: {error.strerror or error}") from None


# run folders


def send_run(store: Store, run: str, known: Mapping[str, str]) -> SentRun:
    """What changed in a run's folder since ``known`` (name → sha256); its leases stay where they are."""
    folder = store.run_folder(run)
    paths = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    names = [name for name in paths if _RUN_FILE.fullmatch(name)]
    files = {name: send_file(paths[name]) for name in names if known.get(name) != _sha256(paths[name])}
    return SentRun(files, tuple(name for name in known if name not in names))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def receive_run(store: Store, run: str, sent: SentRun) -> None:
    """Brings a run's folder up to date: every file whole, ``result.json`` last, then what is gone goes.

    Raises StoreError for a name that is none of a run's files, or bytes that are not those announced; then nothing has
    changed.
    """
    for name in (*sent.files, *sent.gone):
        if not _RUN_FILE.fullmatch(name):
            raise StoreError(f"not the name of a run's file: {name!r}")
    folder = store.run_folder(run)
    arriving = folder / ".arriving"
    with _writing(folder):
        shutil.rmtree(arriving, ignore_errors=True)
        try:
            for name, file in sent.files.items():
                receive_file(arriving / name, file)
            for name in sorted(sent.files, key=lambda name: name == "result.json"):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (arriving / name).replace(folder / name)
            for name in sent.gone:
                (folder / name).unlink(missing_ok=True)
        finally:
            shutil.rmtree(arriving, ignore_errors=True)
