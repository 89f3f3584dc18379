"""Any source written as an image folder, as InsightFace's record files, or as InsightFace's ``.bin``.

What is stored encoded is written byte for byte; only raw pixels are encoded, as PNG.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from bench.data._decode import one_line
from bench.data.containers.bin import write_bin
from bench.data.containers.record_writer import write_records
from bench.data.formats._lists import IMAGE_SUFFIXES, Problems, is_plain_name
from bench.data.formats.insightface_bin import consecutive_folds
from bench.data.packed import Progress
from bench.data.source import images_of
from bench.data.types import ImageList, Int, Protocol
from bench.data.whole import new_folder
from bench.errors import DataError

SUFFIXES = {"JPEG": ".jpg", "PNG": ".png", "BMP": ".bmp", "WEBP": ".webp"}
PAIRS = "pairs.txt"
PEOPLE = "identities.txt"


@dataclass(frozen=True)
class Converted:
    """What was written: images, people of a training set, pairs of a protocol (None: not one), and what to know."""

    images: int
    identities: int
    pairs: int | None = None
    notes: tuple[str, ...] = ()


def convert(
    found: ImageList | Protocol, to: Path, target: Literal["folder", "bin", "rec"], *, progress: Progress | None = None
) -> Converted:
    """Writes a source; a ``.bin`` needs a protocol, record files a training set. Raises DataError."""
    if target == "folder":
        return to_folder(found, to, progress=progress)
    if isinstance(found, Protocol) != (target == "bin"):
        kind, wanted = ("a protocol", "a training set") if target == "rec" else ("a training set", "a protocol")
        raise DataError(f"{images_of(found).where} was read as {kind}; --as {target} needs {wanted}")
    return (
        to_bin(found, to, progress=progress)
        if isinstance(found, Protocol)
        else to_records(found, to, progress=progress)
    )


def to_folder(found: ImageList | Protocol, to: Path, *, progress: Progress | None = None) -> Converted:
    """Writes ``TO/PERSON/IMAGE``, and for a protocol ``TO/pairs.txt`` (``path path label fold``, folds from 1).

    An image keeps its file name, with the folders below the person's joined by ``_``; one from a container is called
    as there, with the suffix of its content. Raises DataError where a name cannot be a file's, two images would be one
    file, an image cannot be read, or a template has several images; then nothing is written.
    """
    images = images_of(found)
    _outside(images, to)
    names = _file_names(images)
    rows = _only_images(found, "a pair list") if isinstance(found, Protocol) else None
    with new_folder(to, "an image folder") as target:
        for row, encoded in _encoded(images, range(len(names)), progress):
            if images.container is not None:
                names[row] += _suffix(images, row, encoded)
            path = target / names[row]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encoded)
        if rows is None:
            return Converted(len(names), len(images.identities))
        assert isinstance(found, Protocol)
        (target / PAIRS).write_text(_pair_list(found, [names[row] for row in rows.tolist()]), encoding="utf-8")
    identity = "folder" if images.named else "none"
    folds = 0 if found.fold is None else int(found.fold.max()) + 1
    column = " --option fold_by=column" if folds else ""
    note = f"read it as format pairs with --option identity={identity} --option folds={folds}{column}"
    return Converted(len(names), len(images.identities), len(found.same), (note,))


def to_records(images: ImageList, to: Path, *, progress: Progress | None = None) -> Converted:
    """Writes ``TO/train.rec`` and ``train.idx``, person by person; ``property`` where all images have one size.

    ``TO/identities.txt`` names a person a line, the first line label 0, where the source names people. Raises
    DataError as ``write_records`` does, and for images that cannot be read; then nothing is written.
    """
    _outside(images, to)
    order = np.argsort(images.labels, kind="stable")
    sizes: set[tuple[int, int]] = set()

    def records() -> Iterator[tuple[bytes, int]]:
        for row, encoded in _encoded(images, order.tolist(), progress):
            sizes.add(_opened(images, row, encoded).size)
            yield encoded, int(images.labels[row])

    with new_folder(to, "record files") as target:
        written, people = write_records(target / "train.rec", records())
        if len(sizes) == 1:
            ((width, height),) = sizes
            (target / "property").write_text(f"{len(images.identities)},{height},{width}", encoding="ascii")
        if images.named:
            (target / PEOPLE).write_text(_people_list(images), encoding="utf-8")
    note = f"its labels are numbers; {PEOPLE} keeps the names, which InsightFace does not read"
    return Converted(written, people, notes=(note,) if images.named else ())


def to_bin(protocol: Protocol, to: Path, *, progress: Progress | None = None) -> Converted:
    """Writes a ``.bin``, its pairs fold by fold. Raises DataError where a template has several images."""
    rows = _only_images(protocol, "a .bin")
    folds = 0 if protocol.fold is None else int(protocol.fold.max()) + 1
    order = np.arange(len(protocol.same)) if protocol.fold is None else np.argsort(protocol.fold, kind="stable")
    ends = rows[protocol.pairs[order]].ravel().tolist()
    write_bin(to, (encoded for _, encoded in _encoded(protocol.images, ends, progress)), protocol.same[order].tolist())
    notes = []
    if protocol.fold is not None:
        kept = np.array_equal(protocol.fold[order], consecutive_folds(len(order), folds))
        how = f"--option folds={folds} gives the same ones" if kept else "readers cut it into equal ones, which differ"
        notes.append(f"a .bin holds no folds: {how}")
    return Converted(len(np.unique(rows[protocol.pairs])), len(protocol.images.identities), len(order), tuple(notes))


def _encoded(images: ImageList, rows: range | list[int], progress: Progress | None) -> Iterator[tuple[int, bytes]]:
    """Each image as the bytes of an image file. Raises DataError naming the first that cannot be read."""
    for done, row in enumerate(rows, start=1):
        try:
            stored = images.read(images.files[row])
        except (OSError, DataError) as error:
            raise DataError(f"{images.where}: {images.files[row]}: {one_line(error)}") from None
        if not isinstance(stored, bytes):
            png = io.BytesIO()
            Image.fromarray(stored).save(png, "PNG")
            stored = png.getvalue()
        if not stored:
            raise DataError(f"{images.where}: {images.files[row]}: is empty")
        yield row, stored
        if progress:
            progress(done, len(rows))


def _opened(images: ImageList, row: int, encoded: bytes) -> Image.Image:
    """The image with only its header read."""
    try:
        return Image.open(io.BytesIO(encoded))
    except Exception as error:  # Pillow's decoders raise many kinds on damaged files
        raise DataError(f"{images.where}: {images.files[row]}: {one_line(error)}") from None


def _suffix(images: ImageList, row: int, encoded: bytes) -> str:
    kind = _opened(images, row, encoded).format
    if kind not in SUFFIXES:
        raise DataError(f"{images.where}: {images.files[row]}: is {kind}, allowed are {', '.join(SUFFIXES)}")
    return SUFFIXES[kind]


def _outside(images: ImageList, to: Path) -> None:
    if images.container is None and to.resolve().is_relative_to(images.root.resolve()):
        raise DataError(f"{to} lies within the source, {images.root}; name a place outside of it")


def _file_names(images: ImageList) -> list[str]:
    """(N,) PERSON/IMAGE; without a suffix where the images lie in a container."""
    problems = Problems(images.where)
    width = max((len(name) for name in images.identities if name.isdigit()), default=0)
    padded: Callable[[str], str] = str if images.named else lambda name: name.zfill(width) if name.isdigit() else name
    people = [padded(name) for name in images.identities]
    problems.extend(f"person {name!r} cannot be the name of a folder" for name in people if not _is_file_name(name))
    names = []
    for file, label in zip(images.files, images.labels.tolist(), strict=True):
        first, _, rest = file.partition("/")
        name = (rest if rest and first == images.identities[label] else file).replace("/", "_")
        if not _is_file_name(name) or (images.container is None and not name.lower().endswith(IMAGE_SUFFIXES)):
            problems.add(f"image {file!r} cannot be the name of an image file")
        names.append(f"{people[label]}/{name}")
    # Some file systems do not tell cases apart.
    count = Counter(name.casefold() for name in names)
    clashing = [file for file, name in zip(images.files, names, strict=True) if count[name.casefold()] > 1]
    problems.add_all(clashing, (f"image {file!r} and another would be one file" for file in clashing))
    problems.refuse()
    return names


def _is_file_name(name: str) -> bool:
    return is_plain_name(name) and name.isprintable() and not name.startswith(".") and name == name.strip()


def _only_images(protocol: Protocol, what: str) -> Int:
    """(T,) the one image of each template. Raises DataError where a template has another number."""
    count = np.bincount(protocol.template, minlength=len(protocol.template_names))
    if (count != 1).any():
        several = protocol.template_names[int(np.flatnonzero(count != 1)[0])]
        raise DataError(
            f"protocol {protocol.name}: {what} compares single images, but {int((count != 1).sum())} of "
            f"{len(count)} templates have several, such as {several}"
        )
    rows = np.empty(len(count), np.int64)
    rows[protocol.template] = np.arange(len(protocol.template))
    return rows


def _pair_list(protocol: Protocol, names: list[str]) -> str:
    """A line a pair, fields separated by spaces and quoted where they hold one."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=" ", lineterminator="\n")
    for p, (first, second) in enumerate(protocol.pairs.tolist()):
        fold = [] if protocol.fold is None else [int(protocol.fold[p]) + 1]
        writer.writerow([names[first], names[second], int(protocol.same[p]), *fold])
    return text.getvalue()


def _people_list(images: ImageList) -> str:
    unwritable = [name for name in images.identities if not name.isprintable()]
    problems = Problems(images.where)
    problems.add_all(unwritable, (f"person {name!r} cannot stand on a line" for name in unwritable))
    problems.refuse()
    return "".join(f"{name}\n" for name in images.identities)
