"""Training sets cut down: to some people, to some images of each."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Set as AbstractSet
from dataclasses import replace

import numpy as np

from bench.data.names import normalise
from bench.data.types import ImageList, Int
from bench.errors import SHOWN, DataError, nearest
from bench.suite.seeds import seed_for


def take(images: ImageList, rows: Int) -> ImageList:
    """The images at these rows; people keep their order, and those without an image are left out."""
    labels = images.labels[rows]
    people, numbered = np.unique(labels, return_inverse=True)
    return replace(
        images,
        files=tuple(images.files[row] for row in rows),
        labels=numbered.astype(np.int64),
        identities=tuple(images.identities[person] for person in people),
    )


def filter_images(images: ImageList, *, min_images: int = 1, exclude: AbstractSet[str] = frozenset()) -> ImageList:
    """The images of people who have at least ``min_images`` and whose normalised name is not in ``exclude``.

    Raises DataError if nobody is left.
    """
    counts = np.bincount(images.labels, minlength=len(images.identities))
    excluded = exclude - {""}
    kept = counts >= max(min_images, 1)
    if excluded:
        kept &= [normalise(name) not in excluded for name in images.identities]
    return _left(images, kept, f"at least {min_images} images and outside the {len(excluded)} excluded names")


def choose_people(
    images: ImageList, *, include: Collection[str] | None = None, exclude: Collection[str] = ()
) -> ImageList:
    """The images of people on the first list (None: of all) who are not on the second.

    Names are compared as the source spells them. Raises DataError for a name that nobody in the source has: it may be
    a typing error, and would be passed over in silence.
    """
    known = set(images.identities)
    for kind, names in (("include", include or ()), ("exclude", exclude)):
        strange = [name for name in names if name not in known]
        if strange:
            near = nearest(strange[0], known) if len(known) < 100_000 else None
            raise DataError(
                f"{images.where}: {len(strange)} names of {kind}_identities are nobody's here: "
                f"{', '.join(map(repr, strange[:SHOWN]))}{', …' if len(strange) > SHOWN else ''}"
                + (f"; did you mean {near!r}?" if near else "")
            )
    wanted, unwanted = known if include is None else set(include), set(exclude)
    kept = np.array([name in wanted and name not in unwanted for name in images.identities])
    return _left(images, kept, "their names on the lists")


def subsample(
    images: ImageList, *, identities: int | None = None, images_each: int | None = None, seed: int = 0
) -> ImageList:
    """``identities`` people drawn by the seed, and at most ``images_each`` images of each, drawn likewise.

    The images that are left keep their order. Raises DataError where there are fewer people than asked for.
    """
    rows = np.arange(len(images.files))
    if identities is not None:
        if identities > len(images.identities):
            raise DataError(
                f"{images.where}: a subsample of {identities} people is asked for, there are {len(images.identities)}"
            )
        draw = np.random.default_rng(seed_for("subsample people", seed=seed))
        chosen = draw.permutation(len(images.identities))[:identities]
        rows = rows[np.isin(images.labels, chosen)]
    if images_each is not None:
        draw = np.random.default_rng(seed_for("subsample images", seed=seed))
        order = draw.permutation(len(rows))
        # Sorting by person keeps the drawn order within each, so the first of each person are a sample of theirs.
        grouped = order[np.argsort(images.labels[rows][order], kind="stable")]
        label = images.labels[rows][grouped]
        starts = np.flatnonzero(np.concatenate([[True], label[1:] != label[:-1]]))
        place = np.arange(len(label)) - np.repeat(starts, np.diff(np.append(starts, len(label))))
        rows = np.sort(rows[grouped[place < images_each]])
    return take(images, rows)


def _left(images: ImageList, kept: np.ndarray, wanted: str) -> ImageList:
    if not kept.any():
        raise DataError(f"{images.where}: none of {len(images.identities)} people is left with {wanted}")
    if kept.all() and len(np.unique(images.labels)) == len(images.identities):
        return images
    return take(images, np.flatnonzero(kept[images.labels]))
