"""The machine's cache folder, and digests of image files that are read once, not at every plan."""

from __future__ import annotations

import hashlib
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bench.data.types import Container, ImageList, Pixels
from bench.data.union import Union
from bench.errors import DataError, StoreError, some

# A file that changed this recently may change again within the same tick of the file system's clock, unseen.
SETTLED_NS = 2_000_000_000


def cache_root() -> Path:
    """$BENCH_CACHE, else ``face-margin-bench`` in the user's cache folder ($XDG_CACHE_HOME or ~/.cache).

    Raises StoreError where that lies inside this repository: decoded faces must not end up in it.
    """
    if given := os.environ.get("BENCH_CACHE"):
        root = Path(given).expanduser()
    else:
        base = os.environ.get("XDG_CACHE_HOME", "")
        root = (Path(base) if Path(base).is_absolute() else Path("~/.cache").expanduser()) / "face-margin-bench"
    root = root.resolve()
    repository = Path(__file__).resolve().parents[2]
    if (repository / "pyproject.toml").is_file() and root.is_relative_to(repository):
        raise StoreError(f"the cache {root} lies inside the repository; set BENCH_CACHE to a folder outside of it")
    return root


def stored_at(cache: Path, kind: str, digest: str) -> Path:
    """Where the cache keeps what has this digest. Raises DataError for what is no digest."""
    if len(digest) != 64 or set(digest) - set("0123456789abcdef"):
        raise DataError(f"{kind} are named by 64 hex digits, found {digest!r}")
    return cache / kind / digest


def image_digests(images: ImageList, *, cache: Path | None = None, workers: int | None = None) -> list[str]:
    """sha256, in hex, of every image's stored bytes (N); pixels that are stored raw count with their shape.

    What was hashed before and has not changed since (path, size, modification time) is not read again. Raises DataError
    for images that are missing or cannot be read.
    """
    cache = cache or cache_root()
    if isinstance(images.container, Union):
        return [digest for part in images.container.split(images) for digest in image_digests(part, cache=cache)]
    if images.container is None:
        return _file_digests(images, cache, workers)
    return _contained_digests(images, cache, workers)


def source_digest(images: ImageList, *, cache: Path | None = None, workers: int | None = None) -> str:
    """sha256, in hex, over every image's relative name, person and bytes, in order; not over where the root lies.

    A file whose path, size and modification time are known under ``cache`` (default: ``cache_root()``) is not read
    again. Raises DataError for files that are missing or cannot be read.
    """
    digests = image_digests(images, cache=cache, workers=workers)
    total = hashlib.sha256(json.dumps(["images", 1, images.identities]).encode())
    for file, label, digest in zip(images.files, images.labels.tolist(), digests, strict=True):
        total.update(json.dumps([file, images.identities[label], digest]).encode())
    return total.hexdigest()


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file so that a reader sees the old one or the new one, whole. Raises StoreError."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with partial.open("wb") as out:
                out.write(content)
                out.flush()
                os.fsync(out.fileno())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror or error}; BENCH_CACHE sets where") from None


def _file_digests(images: ImageList, cache: Path, workers: int | None) -> list[str]:
    root = images.root.absolute()
    memory = cache / "fingerprints" / f"{hashlib.sha256(os.fsencode(root)).hexdigest()[:32]}.json"
    known = _remembered(memory)
    digests, unknown, problems = {}, [], []
    for file in images.files:
        try:
            now = (root / file).stat()
        except OSError as error:
            problems.append(f"{file} ({error.strerror or error})")
            continue
        if file in known and known[file][:2] == [now.st_size, now.st_mtime_ns]:
            digests[file] = known[file][2]
        else:
            unknown.append(file)
    fresh = {}
    with ThreadPoolExecutor(workers) as pool:
        for file, result in zip(unknown, pool.map(lambda file: _fingerprint(root / file), unknown), strict=True):
            if isinstance(result, OSError):
                problems.append(f"{file} ({result.strerror or result})")
                continue
            size, modified, digests[file] = result
            if time.time_ns() - modified > SETTLED_NS:
                fresh[file] = [size, modified, digests[file]]
    if problems:
        raise DataError(f"{images.root}: {len(problems)} images are missing or cannot be read: {some(problems)}")
    if fresh:
        # Another process may have remembered other files of this root meanwhile; what is lost is hashed again.
        write_whole(memory, json.dumps(_remembered(memory) | fresh).encode())
    return [digests[file] for file in images.files]


def _contained_digests(images: ImageList, cache: Path, workers: int | None) -> list[str]:
    """Digests of images in a container; remembered as raw bytes, for there may be millions."""
    container = images.container
    assert container is not None
    names = hashlib.sha256(
        "\n".join([repr(container), str(container.path.absolute()), *images.files]).encode(errors="surrogatepass")
    )
    memory = cache / "fingerprints" / f"{names.hexdigest()[:32]}.sha256"
    before = _stamp(container)
    known = memory.read_bytes() if memory.is_file() else b""
    header, _, raw = known.partition(b"\n")
    if header == before and len(raw) == 32 * len(images.files):
        return [raw[i : i + 32].hex() for i in range(0, len(raw), 32)]
    problems, digests = [], []
    with ThreadPoolExecutor(workers) as pool:
        for file, result in zip(images.files, pool.map(lambda file: _content(images, file), images.files), strict=True):
            if isinstance(result, Exception):
                problems.append(f"{file} ({result})")
            else:
                digests.append(result)
    if problems:
        raise DataError(f"{container.path}: {len(problems)} images cannot be read: {some(problems)}")
    settled = all(time.time_ns() - file.stat().st_mtime_ns > SETTLED_NS for file in container.files)
    if settled and _stamp(container) == before:
        write_whole(memory, b"".join([before, b"\n", *digests]))
    return [digest.hex() for digest in digests]


def _stamp(container: Container) -> bytes:
    """Sizes and modification times of a container's files."""
    try:
        stats = [file.stat() for file in container.files]
    except OSError as error:
        raise DataError(f"{container.path} cannot be read: {error.strerror or error}") from None
    return json.dumps([[stat.st_size, stat.st_mtime_ns] for stat in stats]).encode()


def _content(images: ImageList, file: str) -> bytes | Exception:
    try:
        return content_of(images.read(file))
    except (OSError, DataError) as error:
        return error


def content_of(stored: bytes | Pixels) -> bytes:
    """sha256 of an image's stored bytes; pixels that are stored raw count with their shape."""
    if isinstance(stored, bytes):
        return hashlib.sha256(stored).digest()
    return hashlib.sha256(json.dumps(stored.shape).encode() + stored.tobytes()).digest()


def _fingerprint(path: Path) -> tuple[int, int, str] | OSError:
    """(size, modification time in ns, sha256), or why the file cannot be read."""
    try:
        with path.open("rb") as content:
            before = os.fstat(content.fileno())
            return before.st_size, before.st_mtime_ns, hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        return error


def _remembered(memory: Path) -> dict[str, list[Any]]:
    """File → [size, modification time in ns, sha256]; a memory that is missing or damaged is empty, not an error."""
    try:
        entries = json.loads(memory.read_bytes())
    except (OSError, ValueError):
        return {}
    return entries if isinstance(entries, dict) else {}
