"""What the readers share: list files read line by line, names checked in paths, pairs put together into a protocol."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.data.types import ImageList, Protocol
from bench.errors import DataError

IMAGE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".webp")
SHOWN = 5


@dataclass(frozen=True)
class Pair:
    """One comparison as a list file states it: ``first`` and ``second`` are template names, ``fold`` counts from 0."""

    where: str
    fold: int
    first: str
    second: str
    same: bool


@dataclass(frozen=True)
class Template:
    """What gets one embedding: a person's image, or the frames of a video; ``files`` are relative to the root."""

    person: str
    files: Sequence[str]


def refuse(source: Path, problems: Sequence[str]) -> None:
    """Raises DataError naming up to five problems and how many there are; returns when there are none."""
    if not problems:
        return
    if len(problems) == 1:
        raise DataError(f"{source}: {problems[0]}")
    more = [f"… and {len(problems) - SHOWN} more"] if len(problems) > SHOWN else []
    raise DataError("\n  ".join([f"{source}: {len(problems)} problems:", *problems[:SHOWN], *more]))


def folder_at(path: Path, what: str) -> Path:
    """The path itself. Raises DataError where it is no folder, listing what lies beside it."""
    if path.is_dir():
        return path
    parent = path.parent
    beside = sorted(p.name for p in parent.iterdir())[:SHOWN] if parent.is_dir() else []
    found = f"{parent} holds {', '.join(beside)}, …" if beside else f"{parent} is empty or missing"
    raise DataError(f"no folder {path} ({what}); {found}")


def lines_of(file: Path) -> list[tuple[int, str]]:
    """The lines that are not blank, stripped, each with its number from 1. LF, CRLF, byte-order mark: all the same."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise DataError(f"no list file {file}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"list file {file} cannot be read: {error}") from None
    return [(n, line.strip()) for n, line in enumerate(text.split("\n"), start=1) if line.strip()]


def is_plain_name(name: str) -> bool:
    """Whether a name from a file may be used as one part of a path: nothing in it can lead elsewhere."""
    return name not in ("", ".", "..") and not any(c in name for c in "/\\:\0")


def natural(name: str) -> tuple[str | int, ...]:
    """Sort key in which numbers count as numbers: ``0.9.jpg`` before ``0.10.jpg``."""
    parts = re.split(r"([0-9]+)", name)
    return *(int(part) if i % 2 else part for i, part in enumerate(parts)), name


def images_in(folder: Path) -> tuple[list[str], list[str]]:
    """Names of the images in a folder, sorted, and names of what is no image there; hidden entries are left out."""
    images: list[str] = []
    others: list[str] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if not entry.name.startswith("."):
                is_image = entry.name.lower().endswith(IMAGE_SUFFIXES) and entry.is_file()
                (images if is_image else others).append(entry.name)
    return sorted(images), sorted(others)


def labelled(root: Path, files: Sequence[str], people: Sequence[str]) -> ImageList:
    """An ImageList whose identities are the people that occur, sorted."""
    identities = tuple(sorted(set(people)))
    index = {person: i for i, person in enumerate(identities)}
    return ImageList(root, tuple(files), np.array([index[p] for p in people], np.int64), identities)


def protocol(
    name: str,
    root: Path,
    source: Path,
    pairs: Sequence[Pair],
    templates: Mapping[str, Template],
    *,
    mirrored: bool = False,
) -> Protocol:
    """Puts pairs and templates (sorted by name, numbers as numbers) together.

    Raises DataError where there are no pairs, a template is paired with itself, a pair comes twice (``mirrored``
    allows ``b, a`` beside ``a, b``), a pair's kind contradicts its people, or folds differ in size.
    """
    if not pairs:
        refuse(source, ["holds no pairs"])
    refuse(source, [*_wrong_pairs(pairs, templates, mirrored), *_wrong_folds(pairs)])
    names = sorted(templates, key=natural)
    number = {template: t for t, template in enumerate(names)}
    files = [file for t in names for file in templates[t].files]
    people = [templates[t].person for t in names for _ in templates[t].files]
    return Protocol(
        name=name,
        images=labelled(root, files, people),
        template=np.repeat(np.arange(len(names), dtype=np.int64), [len(templates[t].files) for t in names]),
        template_names=tuple(names),
        pairs=np.array([(number[p.first], number[p.second]) for p in pairs], np.int64),
        same=np.array([p.same for p in pairs], np.bool_),
        fold=np.array([p.fold for p in pairs], np.int64),
    )


def _wrong_pairs(pairs: Sequence[Pair], templates: Mapping[str, Template], mirrored: bool) -> Iterator[str]:
    seen: dict[tuple[str, str], str] = {}
    for pair in pairs:
        key = (pair.first, pair.second)
        key = key if mirrored else (min(key), max(key))
        if pair.first == pair.second:
            yield f"{pair.where}: {pair.first} is compared with itself"
        elif key in seen:
            yield f"{pair.where}: {pair.first} and {pair.second} are already compared at {seen[key]}"
        seen.setdefault(key, pair.where)
        one_person = templates[pair.first].person == templates[pair.second].person
        if one_person != pair.same:
            kind, people = ("genuine", "two people") if pair.same else ("impostor", "one person")
            yield f"{pair.where}: a pair called {kind} shows {people}: {pair.first}, {pair.second}"


def _wrong_folds(pairs: Sequence[Pair]) -> Iterator[str]:
    folds = 1 + max(p.fold for p in pairs)
    counts = np.zeros((folds, 2), np.int64)
    for pair in pairs:
        counts[pair.fold, int(pair.same)] += 1
    usual = max(counts.tolist(), key=counts.tolist().count)
    for fold, (different, same) in enumerate(counts.tolist()):
        if [different, same] != usual:
            yield (
                f"fold {fold + 1} of {folds} has {same} genuine and {different} impostor pairs, "
                f"the others {usual[1]} and {usual[0]}"
            )
        elif not (same and different):
            yield f"fold {fold + 1} of {folds} needs genuine and impostor pairs, found {same} and {different}"
