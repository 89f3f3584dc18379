"""Celebrities in Frontal-Profile: frontal-frontal and frontal-profile pairs, and its people as a training set.

ROOT holds ``Data/list_name.txt``, ``Data/Images/001/{frontal,profile}/01.jpg``, ``Protocol/Pair_list_{F,P}.txt`` and
``Protocol/Split/{FF,FP}/NN/{same,diff}.txt``.
"""

from __future__ import annotations

import posixpath
from collections import Counter
from pathlib import Path

from bench.catalog import FORMATS, Option
from bench.data.formats._files import folders_in, images_in, is_file
from bench.data.formats._lists import Problems, folder_at, is_number, is_plain_name, lines_of, quoted, refuse
from bench.data.formats._protocols import Pair, Template, labelled, protocol
from bench.data.types import ImageList, Protocol

SOURCE = "Sengupta et al.: Frontal to Profile Face Verification in the Wild, WACV 2016"
POSES = {"F": "frontal", "P": "profile"}


def _everybody(root: Path, *, set: str = "FP") -> tuple[str, ...]:
    return tuple(sorted(_names(root)))


def _census(root: Path) -> dict[str, int]:
    images = cfp_images(root)
    return {"images": len(images.files), "identities": len(images.identities)}


@FORMATS.register(
    "cfp",
    summary="CFP pairs: Protocol/Split/{FF,FP} over Data/Images",
    source=SOURCE,
    options=(Option("set", "FP", "FP: frontal against profile; FF: frontal against frontal", choices=("FP", "FF")),),
    provides="protocol",
    people=_everybody,
    census=_census,
)
def cfp(root: Path, *, set: str = "FP") -> Protocol:
    """Reads the pairs of one set; in FP the first index of ``i,j`` is a frontal image, the second a profile.

    A template is an image; a label the person. The official FF lists compare 130 pairs a second time the other way
    round, so in FF ``b,a`` is allowed beside ``a,b`` (the official 7,000 pairs are kept). Raises DataError with file
    and line for what is malformed or missing.
    """
    names = _names(root)
    sides = [_numbered_images(root, pose, names) for pose in set]
    splits = folder_at(root / "Protocol" / "Split" / set, f"CFP's {set} folds")
    pairs, problems = [], Problems(splits)
    for fold, folder in enumerate(name for name in folders_in(splits) if is_number(name)):
        for kind in ("same", "diff"):
            for number, line in lines_of(splits / folder / f"{kind}.txt"):
                where = f"{folder}/{kind}.txt:{number}"
                indices = _indices(line)
                if indices is None or any(i not in side for i, side in zip(indices, sides, strict=True)):
                    allowed = " and ".join(f"1 to {len(side)} ({POSES[p]})" for side, p in zip(sides, set, strict=True))
                    problems.add(f"{where}: found {quoted(line)}, expected 'i,j' with indices {allowed}")
                else:
                    first, second = (side[i] for i, side in zip(indices, sides, strict=True))
                    pairs.append(Pair(where, fold, first, second, kind == "same"))
    problems.refuse()
    images = root / "Data" / "Images"
    used = sorted({file for pair in pairs for file in (pair.first, pair.second)})
    refuse(splits, (f"names a missing image: {images / file}" for file in used if not is_file(images / file)))
    templates = {file: Template(names[int(file.split("/")[0]) - 1], [file]) for file in used}
    return protocol(f"cfp_{set.lower()}", images, splits, pairs, templates, mirrored=set == "FF")


@FORMATS.register(
    "cfp_images",
    summary="all images of CFP as a training set, label = person",
    source=SOURCE,
    provides="training",
    people=_everybody,
)
def cfp_images(root: Path) -> ImageList:
    """All frontal and profile images below ROOT/Data/Images, sorted; a folder's person is its line of list_name.txt."""
    names, images = _names(root), folder_at(root / "Data" / "Images", "CFP's images")
    files, people, problems = [], [], Problems(images)
    for person in folders_in(images):
        name = _name(person, names)
        if name is None:
            problems.add(f"folder {person} has no line in list_name.txt ({len(names)} lines)")
            continue
        for pose in POSES.values():
            found, others = images_in(images / person / pose) if (images / person / pose).is_dir() else ([], [])
            problems.extend(f"{person}/{pose}/{other}" for other in others)
            if not found:
                problems.add(f"{person}/{pose}/ holds no image")
            files += [f"{person}/{pose}/{image}" for image in found]
            people += [name] * len(found)
    if not files:
        problems.add("holds no image")
    problems.refuse()
    return labelled(images, files, people)


def _names(root: Path) -> list[str]:
    """Line n is the name of the person in folder n, counted from 1."""
    folder_at(root, "CFP: Data/ and Protocol/")
    listing = root / "Data" / "list_name.txt"
    names = [name for _, name in lines_of(listing)]
    refuse(listing, (f"names {quoted(n)} more than once" for n, count in sorted(Counter(names).items()) if count > 1))
    return names


def _name(folder: str, names: list[str]) -> str | None:
    known = is_number(folder) and 1 <= int(folder) <= len(names)
    return names[int(folder) - 1] if known else None


def _numbered_images(root: Path, letter: str, names: list[str]) -> dict[int, str]:
    """Index → image file relative to Data/Images, from Pair_list_F.txt or Pair_list_P.txt."""
    listing = root / "Protocol" / f"Pair_list_{letter}.txt"
    example = f"'index ../Data/Images/001/{POSES[letter]}/01.jpg'"
    files: dict[int, str] = {}
    problems = Problems(listing)
    for number, line in lines_of(listing):
        index, path = (*line.split(maxsplit=1), "")[:2]
        # The list's paths start from its own folder, Protocol/.
        parts = posixpath.normpath(posixpath.join("Protocol", path)).split("/")
        if not (is_number(index) and len(parts) == 5 and all(map(is_plain_name, parts))):
            problems.add(f"{listing.name}:{number}: found {quoted(line)}, expected {example}")
        elif parts[:2] != ["Data", "Images"] or parts[3] != POSES[letter] or _name(parts[2], names) is None:
            problems.add(f"{listing.name}:{number}: found {quoted(line)}, expected {example}, person 1 to {len(names)}")
        elif int(index) != len(files) + 1:
            problems.add(f"{listing.name}:{number}: found index {index}, expected {len(files) + 1}")
        else:
            files[int(index)] = "/".join(parts[2:])
    problems.refuse()
    return files


def _indices(line: str) -> tuple[int, int] | None:
    fields = [field.strip() for field in line.split(",")]
    if len(fields) != 2 or not all(map(is_number, fields)):
        return None
    return int(fields[0]), int(fields[1])
