"""Embeddings and scores from files that other programs wrote; nothing in them is ever executed or guessed."""

from __future__ import annotations

import io
import math
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any, TypeVar

import numpy as np
import numpy.typing as npt

from bench.errors import DataError, some, unknown_name
from bench.evaluation.parquet import check_memory, read_parquet

Array = npt.NDArray[Any]
T = TypeVar("T")

# What zipfile raises of an encrypted member is a RuntimeError, and its subclass of an unknown compression.
DAMAGED = (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)


def read_embeddings(path: Path, names: Path | None = None) -> tuple[tuple[str, ...] | None, Array]:
    """Names (N), or None where there are none, and embeddings (N, d) of an ``.npz``, ``.npy`` or ``.parquet`` file.

    ``.npz``: arrays ``embeddings`` (N, d) and ``names`` (N,) of text. ``.npy``: (N, d), its names in the text file
    ``names``, a line each. ``.parquet``: one column of text, and one of lists of numbers or else every other column a
    float. Raises DataError for anything else: Python objects, files that claim more than they hold or than fits into
    memory, shapes that disagree.
    """
    readers: dict[str, Callable[[Path], tuple[tuple[str, ...] | None, Array]]] = {
        ".npz": _npz, ".npy": lambda file: (None, read_npy(file)), ".parquet": read_parquet,
    }  # fmt: skip
    if path.suffix not in readers:
        raise DataError(f"{path}: {unknown_name('kind of embedding file', path.suffix, readers)}")
    found, rows = _reading(path, readers[path.suffix])
    if names is not None:
        if found is not None:
            raise DataError(f"{path} holds names itself; --names is for an .npy file")
        found = read_names(names)
    if rows.ndim != 2 or rows.dtype.kind not in "fiu" or not rows.size:
        raise DataError(f"{path}: embeddings must be (N, d) real numbers, found {rows.shape} {rows.dtype}")
    if found is not None and len(found) != len(rows):
        raise DataError(f"{path}: {len(rows):,} embeddings, but {len(found):,} names")
    return found, rows


def read_scores(path: Path) -> Array:
    """Scores (P,) of an ``.npy`` file, or of a ``.csv`` file with a number a line; a first line ``score`` is a header.

    Raises DataError with file and line.
    """
    readers: dict[str, Callable[[Path], Array]] = {".npy": read_npy, ".csv": _csv_scores}
    if path.suffix not in readers:
        raise DataError(f"{path}: {unknown_name('kind of score file', path.suffix, readers)}")
    scores = _reading(path, readers[path.suffix])
    if scores.ndim != 1:
        raise DataError(f"{path}: scores must be (P,), found {scores.shape}")
    return scores


def read_names(path: Path) -> tuple[str, ...]:
    """The lines of a text file; an empty one is refused, for it would shift those after it."""
    text = _reading(path, lambda file: file.read_text(encoding="utf-8-sig"))
    names = text.removesuffix("\n").split("\n")
    empty = [str(number) for number, name in enumerate(names, start=1) if not name.strip()]
    if empty:
        raise DataError(f"{path}: {len(empty)} empty lines: {some(empty)}")
    return tuple(name.removesuffix("\r") for name in names)


def read_npy(path: Path) -> Array:
    """The array of an ``.npy`` file; see `read_embeddings` for what is refused."""
    with path.open("rb") as stream:
        return _array(stream, path.stat().st_size, str(path))


def npz_bytes(names: Sequence[str], embeddings: Array) -> bytes:
    """An ``.npz`` file that `read_embeddings` reads."""
    stream = io.BytesIO()
    np.savez(stream, names=np.array(names), embeddings=embeddings)
    return stream.getvalue()


def npy_bytes(scores: Array) -> bytes:
    """An ``.npy`` file that `read_scores` reads."""
    stream = io.BytesIO()
    np.save(stream, scores, allow_pickle=False)
    return stream.getvalue()


def _npz(path: Path) -> tuple[tuple[str, ...], Array]:
    with zipfile.ZipFile(path) as archive:
        held = {info.filename: info for info in archive.infolist()}
        missing = [name for name in ("embeddings", "names") if f"{name}.npy" not in held]
        if missing:
            arrays = ", ".join(name.removesuffix(".npy") for name in held) or "nothing"
            raise DataError(f"{path}: needs the arrays embeddings and names, holds {arrays}")
        arrays_of = []
        for name in ("names", "embeddings"):
            info = held[f"{name}.npy"]
            with archive.open(info) as stream:
                arrays_of.append(_array(stream, info.file_size, f"{path}: {name}"))
    names, rows = arrays_of
    if names.ndim != 1 or names.dtype.kind not in "US":
        raise DataError(f"{path}: names must be (N,) text, found {names.shape} {names.dtype}")
    if names.dtype.kind == "S":
        names = np.char.decode(names, "utf-8")
    return tuple(names.tolist()), rows


def _array(stream: IO[bytes], size: int, where: str) -> Array:
    """One array in NumPy's format from a stream of ``size`` bytes, its header checked before anything is allocated."""
    version = np.lib.format.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise DataError(f"{where}: NumPy format {version[0]}.{version[1]} is not read")
    header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    try:
        shape, fortran, dtype = header(stream)
    except Exception as error:  # the parser of a hostile header may fail in any way, but runs nothing
        raise DataError(f"{where}: no array in NumPy's format: {' '.join(str(error).split())[:300]}") from None
    if dtype.hasobject:
        raise DataError(f"{where}: holds Python objects, which can run any code when loaded; store plain arrays")
    needed, left = math.prod(shape) * dtype.itemsize, size - stream.tell()
    if needed != left:
        raise DataError(f"{where}: its header claims {shape} {dtype}, {needed:,} bytes, but {left:,} follow")
    check_memory(needed, where)
    flat = np.frombuffer(stream.read(needed), dtype)
    if len(flat) != math.prod(shape):
        raise DataError(f"{where}: ends after {len(flat):,} of {math.prod(shape):,} numbers")
    return flat.reshape(shape[::-1]).T if fortran else flat.reshape(shape)


def _csv_scores(path: Path) -> Array:
    lines: Sequence[str] = path.read_text(encoding="utf-8-sig").rstrip().split("\n")
    first = 1 if lines[0].strip() == "score" else 0
    scores, problems = np.empty(len(lines) - first), []
    for at, line in enumerate(lines[first:]):
        try:
            scores[at] = float(line)
        except ValueError:
            problems.append(f"{path.name}:{at + first + 1}: found {line[:40].strip()!r}, expected a number")
    if problems:
        raise DataError(f"{path}: {len(problems)} lines are no scores: {some(problems)}")
    return scores


def _reading(path: Path, read: Callable[[Path], T]) -> T:
    """What ``read`` makes of the file. Raises DataError where that is missing, unreadable or damaged."""
    try:
        return read(path)
    except FileNotFoundError:
        raise DataError(f"no file {path}") from None
    except DAMAGED as error:
        raise DataError(f"{path} cannot be read: {' '.join(str(error).split())[:300]}") from None
