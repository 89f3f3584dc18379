"""Landmark files: one list with a line for each image, or a file for each image with a line for each point."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

import numpy as np

from bench.data.alignment.similarity import POINT_NAMES, Points
from bench.data.formats._lists import folder_at, is_plain_name, lines_of, refuse
from bench.data.tree import tree
from bench.errors import BenchError

# A group of point numbers, counted from 1, for each of the five points: their mean is the point.
Selection = tuple[tuple[int, ...], ...]

FIVE: Selection = ((1,), (2,), (3,), (4,), (5,))
NUMBER = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?(?:nan|inf)", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class Landmarks:
    """Five points (see ``POINT_NAMES``) for each of N images.

    ``names``: N paths relative to the folder of images, posix style, without their suffix where ``stems``;
    ``points``: (N, 5, 2) float64, pixels; ``broken``: name → what is wrong, for images whose own file is unusable.
    """

    names: tuple[str, ...]
    points: Points
    stems: bool
    broken: dict[str, str]


def parse_selection(text: str) -> Selection:
    """``"13-18,20+21,…"``: five groups, each a point's number from 1, or several joined by ``+`` and ``-`` (mean).

    Raises BenchError.
    """
    groups: list[tuple[int, ...]] = []
    for group in text.split(","):
        numbers: list[int] = []
        for part in group.split("+"):
            found = re.fullmatch(r"\s*([0-9]{1,4})\s*(?:-\s*([0-9]{1,4})\s*)?", part)
            first, last = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
            if not 1 <= first <= last:
                raise BenchError(f"--points: {part!r} is no point: expected a number from 1, or a range such as 13-18")
            numbers += range(first, last + 1)
        groups.append(tuple(numbers))
    if len(groups) != len(POINT_NAMES):
        wanted = ", ".join(POINT_NAMES)
        raise BenchError(f"--points: found {len(groups)} groups, expected five, separated by commas: {wanted}")
    return tuple(groups)


def read_landmarks(
    path: Path, *, selection: Selection = FIVE, header: bool = False, extra_columns: int = 0
) -> Landmarks:
    """Reads ``path x1 y1 … x5 y5`` lines from a file, or, where ``path`` is a folder, a file for each image.

    In a list, separators are commas or white space; ``header`` skips the first line; ``extra_columns`` numbers (a
    score, say) may follow the points; a path may hold spaces, since numbers are counted from the end. In a folder,
    ``A/B.txt`` holds the points of image ``A/B`` (any suffix), a line ``x,y`` each. ``selection`` says which points,
    or means of points, are the five. Raises DataError with file and line where a list is malformed, holds an image
    twice or names a place outside of the images.
    """
    if path.is_dir():
        return _from_folder(path, selection)
    return _from_list(path, selection, header, extra_columns)


def _from_list(file: Path, selection: Selection, header: bool, extra: int) -> Landmarks:
    lines = lines_of(file)[1 if header else 0 :]
    most = max(number for group in selection for number in group)
    if not lines:
        refuse(file, ["holds no landmarks"])
    # Of a list with other points, the first line says how many.
    count = most if selection == FIVE else max(0, len(_name_and_numbers(lines[0][1])[1]) - extra) // 2
    if count < most:
        refuse(file, [f"line {lines[0][0]} holds {count} points, point {most} is asked for"])
    points = np.empty((len(lines), len(selection), 2))
    where: dict[str, int] = {}
    problems = []
    for row, (number, line) in zip(points, lines, strict=True):
        name, numbers = _name_and_numbers(line)
        if len(numbers) != 2 * count + extra:
            wanted = f"{2 * count} coordinates" + (f" and {extra} more" if extra else "")
            hint = "; --header skips a first line without any" if not numbers and number == lines[0][0] else ""
            if len(numbers) > 2 * count and not extra:
                hint = "; --extra-columns says how many follow them"
            problems.append(f"line {number}: found {len(numbers)} numbers after {name!r}, expected {wanted}{hint}")
        elif not all(map(is_plain_name, name.split("/"))):
            problems.append(f"line {number}: {name!r} is no path below the folder of images")
        elif name in where:
            problems.append(f"line {number}: {name!r} comes again; it is on line {where[name]} already")
        else:
            where[name] = number
            row[:] = _select(np.array(numbers[: 2 * count]).reshape(count, 2), selection)
    refuse(file, problems)
    return Landmarks(tuple(where), points, stems=False, broken={})


def _from_folder(folder: Path, selection: Selection) -> Landmarks:
    found = tree(folder_at(folder, "landmarks, a file for each image"))
    files = sorted(name for name in found.others if name.lower().endswith(".txt"))
    if not files:
        refuse(folder, ["holds no .txt file"])
    names, points, broken = [], [], {}
    for file in files:
        name = file[: -len(".txt")]
        try:
            points.append(_select(_points_of(folder / file), selection))
            names.append(name)
        except (ValueError, OSError) as error:
            broken[name] = f"{file}: {error}"
    return Landmarks(tuple(names), np.array(points).reshape(-1, len(selection), 2), stems=True, broken=broken)


def _points_of(file: Path) -> Points:
    """(K, 2) from lines ``x,y``; the line's number is the point's, so an empty line is a mistake. Raises ValueError."""
    lines = file.read_text(encoding="utf-8-sig").rstrip().split("\n")
    points = []
    for number, line in enumerate(lines, start=1):
        before, numbers = _name_and_numbers(line.strip())
        if before or len(numbers) != 2:
            raise ValueError(f"line {number}: found {line.strip()!r}, expected 'x,y'")
        points.append(numbers)
    return np.array(points)


def _select(points: Points, selection: Selection) -> Points:
    """(K, 2) to (5, 2). Raises ValueError where a point is missing."""
    most = max(number for group in selection for number in group)
    if len(points) < most:
        raise ValueError(f"holds {len(points)} points, point {most} is asked for")
    return np.array([points[[number - 1 for number in group]].mean(0) for group in selection])


def _name_and_numbers(line: str) -> tuple[str, list[float]]:
    """The line's numbers, counted from its end, and what stands before them."""
    # As long as the line, so that a place in it is a place in the line.
    spaced = line.replace(",", " ")
    fields = spaced.split()
    numbers = list(takewhile(NUMBER.fullmatch, reversed(fields)))
    head = spaced.rsplit(None, len(numbers))[0] if len(numbers) < len(fields) else ""
    return line[: len(head)].strip().strip('"'), [float(number) for number in reversed(numbers)]
