"""Training images named in a list file: a path and a label a line.

ROOT holds the list, and the images that its paths lead to.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bench.catalog import FORMATS, Option
from bench.data.formats._files import ListedFiles
from bench.data.formats._lists import (
    DELIMITERS,
    Problems,
    below,
    each_line,
    fields_of,
    folder_at,
    is_number,
    quoted,
    safe_path,
)
from bench.data.formats._protocols import labelled
from bench.data.types import ImageList

IMAGES = Option("images", "", "folder below the path that the list's paths start from; empty: the path itself")
DELIMITER = Option("delimiter", "comma", "what stands between the fields of a line", choices=tuple(DELIMITERS))
HEADER = Option("header", False, "whether the first line names the columns")
NAMED = Option("named", True, "labels are people's names; false: made-up ones. Numbers never name anybody")
FIELDS = ("a path", "a label")


def image_folder(root: Path, images: str) -> Path:
    """The folder that a list's paths start from, by the option ``images``."""
    folder_at(root, "a list and its images")
    return folder_at(below(root, "images", images), "the images of the list") if images else root


def rows_of(
    problems: Problems, listing: Path, images: Path, expected: tuple[str, ...], *, delimiter: str, header: bool
) -> Iterator[tuple[str, list[str]]]:
    """(file and line, fields) of each line after the header; no fields, and a problem, where they are not as expected.

    A header whose first field is the path of an image is none: then a problem says so.
    """
    for number, (line_number, line) in enumerate(each_line(listing)):
        where = f"{listing.name}:{line_number}"
        fields = fields_of(line, DELIMITERS[delimiter])
        if header and number == 0:
            path = safe_path(fields[0]) if fields else None
            if path is not None and ListedFiles(images).problem(path) is None:
                problems.add(f"{where}: header is true, but the line names an image: {quoted(line)}")
            continue
        if len(fields) != len(expected) or not all(fields):
            problems.add(f"{where}: found {quoted(line)}, expected {', '.join(expected)} ({delimiter} between them)")
            fields = []
        yield where, fields


def _people(root: Path, *, file: str, images: str, delimiter: str, header: bool, named: bool) -> tuple[str, ...]:
    listing = below(root, "file", file)
    problems = Problems(listing)
    rows = rows_of(problems, listing, image_folder(root, images), FIELDS, delimiter=delimiter, header=header)
    people = {fields[1] for _, fields in rows if fields}
    problems.refuse()
    return tuple(sorted(people)) if named and not all(map(is_number, people)) else ()


@FORMATS.register(
    "list",
    summary="list file: a path and a label a line",
    source="the lists that many training sets come with (CASIA-WebFace, VGGFace2, …)",
    options=(
        Option("file", "train.txt", "the list, below the path"),
        IMAGES,
        DELIMITER,
        HEADER,
        NAMED,
    ),
    provides="training",
    people=_people,
)
def image_list(
    root: Path,
    *,
    file: str = "train.txt",
    images: str = "",
    delimiter: str = "comma",
    header: bool = False,
    named: bool = True,
) -> ImageList:
    """Reads ROOT/FILE, one image a line, in the list's order; a label is a name or a number.

    Raises DataError with file and line for what is malformed, for a path that is absolute or leads out of the folder
    (also through a link), an image that is missing, and one that is listed twice.
    """
    listing, image_root = below(root, "file", file), image_folder(root, images)
    problems, on_disk = Problems(listing), ListedFiles(image_root)
    seen: dict[str, tuple[str, str]] = {}
    for where, fields in rows_of(problems, listing, image_root, FIELDS, delimiter=delimiter, header=header):
        if not fields:
            continue
        path, label = fields
        image = safe_path(path)
        if image is None:
            problems.add(f"{where}: {quoted(path)} is no path below {image_root}")
        elif image in seen:
            before, other = seen[image]
            what = "already listed" if other == label else f"labelled {quoted(label)} here and {quoted(other)}"
            problems.add(f"{where}: {image} is {what} at {before}")
        else:
            seen[image] = (where, label)
            if (wrong := on_disk.problem(image)) is not None:
                problems.add(f"{where}: {wrong}")
    if not seen and problems.count == 0:
        problems.add("lists no image")
    problems.refuse()
    labels = [label for _, label in seen.values()]
    return labelled(image_root, tuple(seen), labels, named=named and not all(map(is_number, set(labels))))
