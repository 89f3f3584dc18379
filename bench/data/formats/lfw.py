"""Labeled Faces in the Wild: its verification pairs, and its people as a training set.

ROOT holds the lists and either ``lfw/NAME/NAME_0001.jpg`` or ``NAME/NAME_0001.jpg``. View 2 (``pairs.txt``,
``people.txt``) has ten folds and is what is reported; View 1 (``pairsDevTrain.txt``, …) is for development.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from bench.catalog import FORMATS, Option
from bench.data.formats._files import images_in, is_file, is_folder
from bench.data.formats._lists import Problems, folder_at, is_number, is_plain_name, lines_of, quoted, refuse
from bench.data.formats._protocols import Pair, Template, labelled, protocol
from bench.data.formats.folder import folder, people_in
from bench.data.types import ImageList, Protocol

SOURCE = "Huang, Ramesh, Berg, Learned-Miller: Labeled Faces in the Wild, UMass Amherst TR 07-49, 2007"
VIEW_2 = "pairs.txt"
PAIRS = {VIEW_2: "lfw", "pairsDevTrain.txt": "lfw_dev_train", "pairsDevTest.txt": "lfw_dev_test"}
PEOPLE = ("all", "people.txt", "peopleDevTrain.txt", "peopleDevTest.txt")
EXPECTED = "'name i j' or 'name i name j', numbers from 1"

PAIRS_OPTION = Option("pairs", VIEW_2, "list of pairs; the Dev lists (View 1) have no folds", choices=tuple(PAIRS))
PEOPLE_OPTION = Option("people", "all", "list of the people who are taken; all: every folder", choices=PEOPLE)


def _everybody(root: Path, *, pairs: str = VIEW_2) -> tuple[str, ...]:
    """View 2 is of the whole data base, so also the people whom it names in no pair; of View 1 those of the list."""
    named = set(_read(root / pairs).people.values())
    return tuple(sorted(named.union(people_in(_image_root(root)) if pairs == VIEW_2 else ())))


def _people(root: Path, *, people: str = "all") -> tuple[str, ...]:
    if people == "all":
        return people_in(_image_root(root))
    return tuple(sorted(name for _, name, _ in _people_list(root / people)))


def _census(root: Path) -> dict[str, int]:
    images = folder(_image_root(root))
    return {"images": len(images.files), "identities": len(images.identities)}


@FORMATS.register(
    "lfw",
    summary="LFW pairs: pairs.txt and NAME/NAME_0001.jpg",
    source=SOURCE + ", View 2 (pairs.txt) and View 1",
    options=(PAIRS_OPTION,),
    provides="protocol",
    people=_everybody,
    census=_census,
)
def lfw(root: Path, *, pairs: str = VIEW_2) -> Protocol:
    """Reads a list of pairs. A template is an image; a label the person.

    ``pairs.txt`` comes with or without its header ``folds pairs``; a fold is its genuine, then its impostor pairs. The
    Dev lists' header is the number of genuine pairs, which is that of impostor pairs too; they have no folds. Raises
    DataError with file and line for what is malformed or missing.
    """
    listing, image_root = root / pairs, _image_root(root)
    found = _read(listing)
    templates, problems = {}, Problems(listing)
    for template, person in found.people.items():
        file = _file(image_root, f"{person}/{template}")
        if file is None:
            problems.add(f"names a missing image: {person}/{template}.jpg is not in {image_root}")
        else:
            templates[template] = Template(person, [file])
    problems.refuse()
    view_2 = pairs == VIEW_2
    result = protocol(PAIRS[pairs], image_root, listing, found.pairs, templates, folds="equal" if view_2 else "none")
    if found.header is not None:
        folds, each = found.header
        genuine, impostor = int(result.same.sum()), int((~result.same).sum())
        if (genuine, impostor, found.folds) != (folds * each, folds * each, folds):
            promised = f"line 1 promises {folds} folds of {each} + {each} pairs"
            refuse(listing, [f"{promised}, found {genuine} + {impostor} pairs in {found.folds} folds"])
    return result


@FORMATS.register(
    "lfw_images",
    summary="images of LFW as a training set, label = person",
    source=SOURCE,
    options=(PEOPLE_OPTION,),
    provides="training",
    people=_people,
)
def lfw_images(root: Path, *, people: str = "all") -> ImageList:
    """The images below ROOT/lfw/NAME/ (or ROOT/NAME/), read as an image folder, or those of the people on a list.

    A list says how many images each person has, and all of them must be there under their numbers. No list of pairs is
    needed. Raises DataError with file and line for what is malformed or missing.
    """
    image_root = _image_root(root)
    if people == "all":
        return folder(image_root)
    files, owners, problems = [], [], Problems(root / people)
    for where, name, count in _people_list(root / people):
        at = image_root / name
        images, wrong = images_in(at) if is_folder(at) else ([], [])
        problems.extend(f"{where}: {name}/{other}" for other in wrong)
        if len(images) != count:
            problems.add(f"{where}: promises {count} images of {name}, found {len(images)} in {at}")
        elif [Path(image).stem for image in images] != [f"{name}_{i:04d}" for i in range(1, count + 1)]:
            problems.add(f"{where}: the images of {name} are not numbered {name}_0001 to {name}_{count:04d}")
        files += [f"{name}/{image}" for image in images]
        owners += [name] * len(images)
    problems.refuse()
    return labelled(image_root, files, owners)


def _image_root(root: Path) -> Path:
    folder_at(root, "LFW: its lists and images")
    inner = root / "lfw"
    return inner if inner.is_dir() else root


class _Read(NamedTuple):
    """``people``: image → person; ``header``: folds and pairs of a kind in each; ``folds``: how many were found."""

    pairs: list[Pair]
    people: dict[str, str]
    header: tuple[int, int] | None
    folds: int


def _read(listing: Path) -> _Read:
    lines = lines_of(listing)
    header = _header(lines[0][1], view_2=listing.name == VIEW_2) if lines else None
    people: dict[str, str] = {}
    pairs, problems = [], Problems(listing)
    fold, last_same = -1, False
    for number, line in lines[1:] if header else lines:
        where = f"{listing.name}:{number}"
        parsed = _parse(line)
        if parsed is None:
            problems.add(f"{where}: found {quoted(line)}, expected {EXPECTED}")
            continue
        (first, i), (second, j), same = parsed
        fold += same and not last_same
        last_same = same
        a, b = f"{first}_{i:04d}", f"{second}_{j:04d}"
        people |= {a: first, b: second}
        pairs.append(Pair(where, max(fold, 0), a, b, same))
    problems.refuse()
    return _Read(pairs, people, header, fold + 1)


def _header(line: str, *, view_2: bool) -> tuple[int, int] | None:
    """(folds, pairs of a kind in each); the Dev lists have the second number alone."""
    fields = line.split()
    if len(fields) != (2 if view_2 else 1) or not all(map(is_number, fields)):
        return None
    return (int(fields[0]) if view_2 else 1), int(fields[-1])


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
    if not (named and is_number(i) and is_number(j) and int(i) and int(j)):
        return None
    return (first, int(i)), (second, int(j)), len(fields) == 3


def _people_list(listing: Path) -> list[tuple[str, str, int]]:
    """(file and line, name, number of images) of each person. A number of people precedes them, and in View 2, where
    they come in folds, the number of folds precedes all."""
    people: list[tuple[str, str, int]] = []
    promised: list[tuple[str, int]] = []
    found: list[int] = []
    seen: dict[str, str] = {}
    problems = Problems(listing)
    lines = lines_of(listing)
    folds = 1
    if listing.name == "people.txt" and lines and is_number(lines[0][1]):
        folds, lines = int(lines[0][1]), lines[1:]
    for number, line in lines:
        where, fields = f"{listing.name}:{number}", line.split()
        if len(fields) == 1 and is_number(line):
            promised.append((where, int(line)))
            found.append(0)
        elif len(fields) != 2 or not is_plain_name(fields[0]) or not is_number(fields[1]) or not found:
            expected = "'name images'" if found else "the number of people"
            problems.add(f"{where}: found {quoted(line)}, expected {expected}")
        elif fields[0] in seen:
            problems.add(f"{where}: {fields[0]} is already named at {seen[fields[0]]}")
        else:
            seen[fields[0]] = where
            found[-1] += 1
            people.append((where, fields[0], int(fields[1])))
    if problems.count == 0:
        _check_sections(problems, folds, promised, found)
    problems.refuse()
    return people


def _check_sections(problems: Problems, folds: int, promised: list[tuple[str, int]], found: Iterable[int]) -> None:
    if len(promised) != folds:
        problems.add(f"promises {folds} folds, found {len(promised)}")
    for (where, count), people in zip(promised, found, strict=True):
        if count != people or not people:
            problems.add(f"{where}: promises {count} people, found {people}")


def _file(root: Path, stem: str) -> str | None:
    """Some aligned copies of LFW are PNG."""
    return next((stem + suffix for suffix in (".jpg", ".png") if is_file(root / (stem + suffix))), None)
