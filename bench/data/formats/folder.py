"""Training images in an image folder: each sub-folder is a person."""

from __future__ import annotations

from pathlib import Path

from bench.catalog import FORMATS
from bench.data.formats._files import folders_in, images_in
from bench.data.formats._lists import Problems, folder_at
from bench.data.formats._protocols import labelled
from bench.data.types import ImageList


def people_in(root: Path) -> tuple[str, ...]:
    """The sub-folders' names; no image is looked for."""
    return tuple(folders_in(folder_at(root, "a folder of sub-folders, one a person")))


@FORMATS.register(
    "folder",
    summary="image folder: a sub-folder a person",
    source="the layout that most training sets are distributed in",
    provides="training",
    people=people_in,
)
def folder(root: Path) -> ImageList:
    """Reads ROOT/PERSON/*.{jpg,jpeg,png,bmp,webp}, sorted by person, then by file name.

    Files beside the sub-folders and entries whose name begins with a dot are not looked at. Raises DataError for a
    sub-folder that is empty, or that holds anything but images (a folder within a folder is not searched).
    """
    folder_at(root, "a folder of sub-folders, one a person")
    problems = Problems(root)
    people = folders_in(root)
    if not people:
        problems.add("holds no sub-folder; expected one for each person")
    files, owners = [], []
    for person in people:
        images, others = images_in(root / person)
        problems.extend(f"{person}/{other}" for other in others)
        if not images:
            problems.add(f"{person}/ holds no image; remove the folder or fill it")
        files += [f"{person}/{image}" for image in images]
        owners += [person] * len(images)
    problems.refuse()
    return labelled(root, files, owners)
