"""Training images in an image folder: each sub-folder is a person."""

from __future__ import annotations

from pathlib import Path

from bench.catalog import FORMATS
from bench.data.formats._lists import IMAGE_SUFFIXES, folder_at, images_in, labelled, refuse
from bench.data.types import ImageList


@FORMATS.register(
    "folder",
    summary="image folder: a sub-folder a person",
    source="the layout that most training sets are distributed in",
    provides="training",
)
def folder(root: Path) -> ImageList:
    """Reads ROOT/PERSON/*.{jpg,jpeg,png,bmp,webp}, sorted by person, then by file name.

    Files beside the sub-folders and entries whose name begins with a dot are not looked at. Raises DataError for a
    sub-folder that is empty, or that holds anything but images (a folder within a folder is not searched).
    """
    folder_at(root, "a folder of sub-folders, one a person")
    people = sorted(p.name for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
    if not people:
        refuse(root, ["holds no sub-folder; expected one for each person"])
    files, owners, problems = [], [], []
    for person in people:
        images, others = images_in(root / person)
        problems += [f"{person}/{o} is not an image ({', '.join(IMAGE_SUFFIXES)})" for o in others]
        if not images:
            problems.append(f"{person}/ holds no image; remove the folder or fill it")
        files += [f"{person}/{image}" for image in images]
        owners += [person] * len(images)
    refuse(root, problems)
    return labelled(root, files, owners)
