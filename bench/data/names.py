"""People matched across data sets by the letters of their names, and training sets cut down to some of them."""

from __future__ import annotations

import unicodedata
from collections.abc import Set as AbstractSet

import numpy as np

from bench.data.types import ImageList
from bench.errors import DataError


def normalise(name: str) -> str:
    """Letters only, without accents, case folded: ``José_Ángel 2`` and ``jose angel`` are both ``joseangel``.

    A name without a letter gives ``""``, which matches nobody.
    """
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", name).casefold())
    return "".join(c for c in folded if c.isalpha())


def filter_images(images: ImageList, *, min_images: int = 1, exclude: AbstractSet[str] = frozenset()) -> ImageList:
    """The images of people who have at least ``min_images`` and whose normalised name is not in ``exclude``.

    Order is kept; labels are numbered anew over the people who are left. Raises DataError if nobody is.
    """
    counts = np.bincount(images.labels, minlength=len(images.identities))
    excluded = exclude - {""}
    kept = [
        person
        for person, name in enumerate(images.identities)
        if counts[person] >= max(min_images, 1) and normalise(name) not in excluded
    ]
    if not kept:
        raise DataError(
            f"{images.root}: none of {len(images.identities)} people is left with at least {min_images} images "
            f"and outside the {len(excluded)} excluded names"
        )
    new_label = np.full(len(images.identities), -1, np.int64)
    new_label[kept] = np.arange(len(kept))
    labels = new_label[images.labels]
    files = tuple(file for file, label in zip(images.files, labels.tolist(), strict=True) if label >= 0)
    return ImageList(images.root, files, labels[labels >= 0], tuple(images.identities[p] for p in kept))
