"""Whether a training set leaks into a test: people in both by name, images in both by content."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.data.cache import image_digests
from bench.data.names import normalise
from bench.data.types import ImageList
from bench.data.union import Union
from bench.errors import SHOWN


@dataclass(frozen=True)
class Overlap:
    """``people``: names in both, as the first set spells them; ``images``: the first set's files whose bytes are an
    image of the second too. ``compared``: False where a source names nobody, so that its people were not compared.
    """

    people: tuple[str, ...]
    images: tuple[str, ...]
    compared: bool = True

    def __bool__(self) -> bool:
        return bool(self.people or self.images)

    def __str__(self) -> str:
        parts = [
            f"{len(found)} {what} ({', '.join(found[:SHOWN])}{', …' if len(found) > SHOWN else ''})"
            for found, what in ((self.people, "people by name"), (self.images, "images by content"))
            if found
        ]
        return " and ".join(parts) or "nobody and no image"


def people_in_both(first: Iterable[str], second: Iterable[str]) -> tuple[str, ...]:
    """The names of the first set, in its order, whose letters are those of a name of the second."""
    others = {normalise(name) for name in second} - {""}
    return tuple(name for name in first if normalise(name) in others)


def images_in_both(files: Iterable[str], digests: Iterable[str], others: Collection[str]) -> tuple[str, ...]:
    """The files whose digest is among the others'."""
    known = set(others)
    return tuple(file for file, digest in zip(files, digests, strict=True) if digest in known)


def overlap(
    training: ImageList, digests: Sequence[str], images: ImageList, people: tuple[str, ...], *, cache: Path
) -> Overlap:
    """People of the training set who are among ``people`` too, and its images that are among ``images``.

    ``digests``: of the training images, by `image_digests`, so that several tests share them. Of a union that names
    some of its people, those are compared.
    """
    return Overlap(
        people_in_both(_named(training), people) if images.named else (),
        images_in_both(training.files, digests, image_digests(images, cache=cache)),
        training.named and images.named,
    )


def _named(images: ImageList) -> tuple[str, ...]:
    """The people whom a source names, in its order."""
    if not isinstance(images.container, Union):
        return images.identities if images.named else ()
    known = [np.unique(part.labels) for part in images.container.split(images) if part.named]
    return tuple(images.identities[person] for person in np.unique(np.concatenate(known))) if known else ()
