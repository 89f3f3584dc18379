"""Labeled Faces in the Wild: its verification pairs (View 2), and its people as a training set.

ROOT holds ``pairs.txt`` and either ``lfw/NAME/NAME_0001.jpg`` or ``NAME/NAME_0001.jpg``.
"""

from __future__ import annotations

from pathlib import Path

from bench.catalog import FORMATS
from bench.data.formats._lists import Pair, Template, folder_at, is_plain_name, lines_of, protocol, refuse
from bench.data.formats.folder import folder
from bench.data.types import ImageList, Protocol

SOURCE = "Huang, Ramesh, Berg, Learned-Miller: Labeled Faces in the Wild, UMass Amherst TR 07-49, 2007"
EXPECTED = "'name i j' or 'name i name j', numbers from 1"


@FORMATS.register(
    "lfw", summary="LFW pairs: pairs.txt and NAME/NAME_0001.jpg", source=SOURCE + ", View 2", provides="protocol"
)
def lfw(root: Path) -> Protocol:
    """Reads ROOT/pairs.txt, with or without its header ``folds pairs``; a fold is its genuine, then its impostor pairs.

    A template is an image; a label the person. Raises DataError with file and line for what is malformed or missing.
    """
    listing, image_root = root / "pairs.txt", _image_root(root)
    lines = lines_of(listing)
    header = _header(lines[0][1]) if lines else None
    people: dict[str, str] = {}
    pairs, problems = [], []
    fold, last_same = -1, False
    for number, line in lines[1:] if header else lines:
        where = f"pairs.txt:{number}"
        parsed = _parse(line)
        if parsed is None:
            problems.append(f"{where}: found {line!r}, expected {EXPECTED}")
            continue
        (first, i), (second, j), same = parsed
        fold += same and not last_same
        last_same = same
        a, b = f"{first}_{i:04d}", f"{second}_{j:04d}"
        people |= {a: first, b: second}
        pairs.append(Pair(where, max(fold, 0), a, b, same))
    refuse(listing, problems)
    templates, missing = {}, []
    for template, person in people.items():
        file = _file(image_root, f"{person}/{template}")
        if file is None:
            missing.append(f"names a missing image: {person}/{template}.jpg is not in {image_root}")
        else:
            templates[template] = Template(person, [file])
    refuse(listing, missing)
    result = protocol("lfw", image_root, listing, pairs, templates)
    genuine, impostor = int(result.same.sum()), int((~result.same).sum())
    if header and (genuine, impostor, fold + 1) != (header[0] * header[1], header[0] * header[1], header[0]):
        promised = f"line 1 promises {header[0]} folds of {header[1]} + {header[1]} pairs"
        refuse(listing, [f"{promised}, found {genuine} + {impostor} pairs in {fold + 1} folds"])
    return result


@FORMATS.register(
    "lfw_images", summary="all images of LFW as a training set, label = person", source=SOURCE, provides="training"
)
def lfw_images(root: Path) -> ImageList:
    """All images below ROOT/lfw/NAME/ (or ROOT/NAME/), read as an image folder; ``pairs.txt`` is not needed."""
    return folder(_image_root(root))


def _image_root(root: Path) -> Path:
    folder_at(root, "LFW: pairs.txt and the images")
    inner = root / "lfw"
    return inner if inner.is_dir() else root


def _header(line: str) -> tuple[int, int] | None:
    fields = line.split()
    return (int(fields[0]), int(fields[1])) if len(fields) == 2 and all(map(_is_number, fields)) else None


def _parse(line: str) -> tuple[tuple[str, int], tuple[str, int], bool] | None:
    fields = line.split()
    if len(fields) == 3:
        first, i, j = fields
        second = first
    elif len(fields) == 4:
        first, i, second, j = fields
    else:
        return None
    named = is_plain_name(first) and is_plain_name(second)
    if not (named and _is_number(i) and _is_number(j) and int(i) and int(j)):
        return None
    return (first, int(i)), (second, int(j)), len(fields) == 3


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _file(root: Path, stem: str) -> str | None:
    """Some aligned copies of LFW are PNG."""
    return next((stem + suffix for suffix in (".jpg", ".png") if (root / (stem + suffix)).is_file()), None)
