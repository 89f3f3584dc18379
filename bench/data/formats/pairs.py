"""Verification pairs in a list file, as AgeDB-30, CALFW, CPLFW and many others come.

ROOT holds the list, and the images that its paths lead to. Two layouts: a line is a pair (``path path label``), or two
lines are (``path number``, twice; a number above 0 is a genuine pair).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bench.catalog import FORMATS, Option
from bench.data.formats._files import ListedFiles
from bench.data.formats._lists import DELIMITERS, Problems, below, is_number, quoted, refuse, safe_path
from bench.data.formats._protocols import Pair, Template, numbered_from_one, people_by_pairs, protocol
from bench.data.formats.image_list import HEADER, IMAGES, image_folder, rows_of
from bench.data.types import Protocol
from bench.errors import DataError

OPTIONS = (
    Option("file", "pairs.txt", "the list, below the path"),
    IMAGES,
    Option("layout", "line", "line: path path label; two_lines: path number, twice", choices=("line", "two_lines")),
    Option("delimiter", "space", "what stands between the fields of a line", choices=tuple(DELIMITERS)),
    HEADER,
    Option("folds", 10, "number of folds; 0: none", unit="folds", minimum=0),
    Option(
        "fold_by",
        "order",
        "order: equal stretches of the list; kind: of its genuine and of its impostor pairs; column: a fourth field",
        choices=("order", "kind", "column"),
    ),
    Option(
        "identity",
        "none",
        "whom an image shows. folder: its folder's name; stem: its file name up to the last _NUMBER; none: unknown",
        choices=("folder", "stem", "none"),
    ),
    Option("repeats", "refuse", "what to do with a pair that comes twice", choices=("refuse", "keep")),
)


class _Row(NamedTuple):
    """``where`` the pair begins; ``number``: its label, or that of its two lines; ``column``: the fourth field."""

    where: str
    first: str
    second: str
    number: int
    column: int


def _people(
    root: Path,
    *,
    file: str,
    images: str,
    layout: str,
    delimiter: str,
    header: bool,
    folds: int,
    fold_by: str,
    identity: str,
    **_: object,
) -> tuple[str, ...]:
    if identity == "none":
        return ()
    listing, image_root = below(root, "file", file), image_folder(root, images)
    rows = _read(listing, image_root, layout, delimiter, header, column=bool(folds) and fold_by == "column")
    return tuple(sorted(set(_identities(listing, rows, _files(rows), identity).values())))


@FORMATS.register(
    "pairs",
    summary="list of image pairs with labels, as AgeDB-30, CALFW and CPLFW come",
    source="Moschoglou et al.: AgeDB, 2017; Zheng, Deng, Hu: Cross-Age LFW, 2017; Zheng, Deng: Cross-Pose LFW, 2018",
    options=OPTIONS,
    provides="protocol",
    people=_people,
)
def pairs(
    root: Path,
    *,
    file: str = "pairs.txt",
    images: str = "",
    layout: str = "line",
    delimiter: str = "space",
    header: bool = False,
    folds: int = 10,
    fold_by: str = "order",
    identity: str = "none",
    repeats: str = "refuse",
) -> Protocol:
    """Reads ROOT/FILE. A template is an image, named by its path.

    Labels are 1 (genuine) and 0 or -1 (impostor). Where ``identity`` is none, people are made up from the genuine
    pairs and the images are not ``named``. Raises DataError with file and line for what is malformed or missing, for a
    path that leads out of the folder (also through a link), a pair that contradicts the people or comes twice, and
    folds that are not whole.
    """
    listing, image_root = below(root, "file", file), image_folder(root, images)
    if folds == 1:
        raise DataError(f"{listing}: option folds must be 0 (none) or at least 2, found 1")
    if layout == "two_lines" and fold_by == "column":
        raise DataError(f"{listing}: option fold_by: column needs layout: line")
    rows = _read(listing, image_root, layout, delimiter, header, column=bool(folds) and fold_by == "column")
    files, on_disk = _files(rows), ListedFiles(image_root)
    refuse(listing, (f"{at}: {wrong}" for name, at in files.items() if (wrong := on_disk.problem(name)) is not None))
    fold = _folds(listing, rows, folds, fold_by) if folds else [0] * len(rows)
    people = _identities(listing, rows, files, identity)
    return protocol(
        "pairs",
        image_root,
        listing,
        [Pair(r.where, f, r.first, r.second, r.number > 0) for r, f in zip(rows, fold, strict=True)],
        {name: Template(people[name], [name]) for name in files},
        folds="any" if folds else "none",
        repeated=repeats == "keep",
        named=identity != "none",
    )


def _files(rows: list[_Row]) -> dict[str, str]:
    """Each image, and where it is named first."""
    files: dict[str, str] = {}
    for row in rows:
        files.setdefault(row.first, row.where)
        files.setdefault(row.second, row.where)
    return files


def _read(listing: Path, images: Path, layout: str, delimiter: str, header: bool, *, column: bool) -> list[_Row]:
    problems = Problems(listing)
    expected = ("a path", "a path", "a label", "a fold")[: 3 + column] if layout == "line" else ("a path", "a number")
    lines = rows_of(problems, listing, images, expected, delimiter=delimiter, header=header)
    parsed = _from_lines(problems, images, lines) if layout == "line" else _from_two_lines(problems, images, lines)
    rows = list(parsed)
    if not rows and problems.count == 0:
        problems.add("holds no pairs")
    problems.refuse()
    return rows


def _from_lines(problems: Problems, images: Path, lines: Iterator[tuple[str, list[str]]]) -> Iterator[_Row]:
    for where, fields in lines:
        if not fields:
            continue
        first, second, label, *fold = fields
        paths = [safe_path(first), safe_path(second)]
        if label not in ("1", "0", "-1"):
            problems.add(f"{where}: found label {quoted(label)}, expected 1 (genuine), 0 or -1 (impostor)")
        elif fold and not (is_number(fold[0]) and int(fold[0])):
            problems.add(f"{where}: found fold {quoted(fold[0])}, expected a number from 1")
        elif paths[0] is None or paths[1] is None:
            problems.add(f"{where}: {quoted(first if paths[0] is None else second)} is no path below {images}")
        else:
            yield _Row(where, paths[0], paths[1], int(label), int(fold[0]) if fold else 0)


def _from_two_lines(problems: Problems, images: Path, lines: Iterator[tuple[str, list[str]]]) -> Iterator[_Row]:
    for where, fields in lines:
        second_where, second_fields = next(lines, ("", []))
        if not second_where:
            problems.add(f"{where}: a pair is two lines, found one")
        first, second = (_image(problems, images, *line) for line in ((where, fields), (second_where, second_fields)))
        if first is None or second is None:
            continue
        if first[1] != second[1]:
            problems.add(f"{where}: the two lines of a pair have the numbers {first[1]} and {second[1]}")
        else:
            yield _Row(where, first[0], second[0], first[1], 0)


def _image(problems: Problems, images: Path, where: str, fields: list[str]) -> tuple[str, int] | None:
    """The path and number of a line, or None where a problem tells what is wrong."""
    if not fields:
        return None
    path = safe_path(fields[0])
    if path is None:
        problems.add(f"{where}: {quoted(fields[0])} is no path below {images}")
    elif not is_number(fields[1]):
        problems.add(f"{where}: found number {quoted(fields[1])}, expected 0 (impostor) or more (genuine)")
    else:
        return path, int(fields[1])
    return None


def _folds(listing: Path, rows: list[_Row], folds: int, fold_by: str) -> list[int]:
    """(P,) from 0. Raises DataError where pairs do not divide, or numbers in the list say otherwise."""
    problems = Problems(listing)
    if fold_by == "column":
        found = [row.column - 1 for row in rows]
        numbered_from_one(problems, found)
        if problems.count == 0 and max(found) + 1 != folds:
            problems.add(f"has {max(found) + 1} folds, option folds says {folds}")
        problems.refuse()
        return found
    kinds = [row.number > 0 if fold_by == "kind" else True for row in rows]
    total, seen = {kind: kinds.count(kind) for kind in (True, False)}, {True: 0, False: 0}
    for kind, count in total.items():
        if count % folds:
            what = f"{'genuine' if kind else 'impostor'} pairs" if fold_by == "kind" else "pairs"
            problems.add(f"{count} {what} do not make {folds} equal folds")
    problems.refuse()
    fold = []
    for kind in kinds:
        fold.append(seen[kind] * folds // total[kind])
        seen[kind] += 1
    # CALFW numbers its genuine pairs by their fold, CPLFW by 1 throughout.
    if fold_by == "kind" and any(row.number > 1 for row in rows):
        problems.extend(
            f"{row.where}: a genuine pair is numbered {row.number}, by its place it is in fold {f + 1}"
            for row, f in zip(rows, fold, strict=True)
            if row.number > 0 and row.number != f + 1
        )
    problems.refuse()
    return fold


def _identities(listing: Path, rows: list[_Row], files: dict[str, str], identity: str) -> dict[str, str]:
    """Image → whom it shows."""
    if identity == "none":
        index = {name: i for i, name in enumerate(files)}
        genuine = [(index[row.first], index[row.second]) for row in rows if row.number > 0]
        people = people_by_pairs(len(files), np.array(genuine, np.int64).reshape(-1, 2))
        return dict(zip(files, map(str, people.tolist()), strict=True))
    problems, found = Problems(listing), {}
    for name, where in files.items():
        person = _person(name, identity)
        if person is None:
            expected = "a folder above it" if identity == "folder" else "a name that ends in _NUMBER"
            problems.add(f"{where}: {name} has no identity: expected {expected}")
        else:
            found[name] = person
    problems.refuse()
    return found


def _person(name: str, identity: str) -> str | None:
    *folders, last = name.split("/")
    if identity == "folder":
        return folders[-1] if folders else None
    match = re.fullmatch("(.+)_[0-9]+", posixpath.splitext(last)[0])
    return match[1] if match else None
