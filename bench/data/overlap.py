"""Whether a training set leaks into a test: people in both by name, images in both by content."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from bench.data.cache import image_digests
from bench.data.names import normalise
from bench.data.types import ImageList

SHOWN = 5


@dataclass(frozen=True)
class Overlap:
    """``people``: names in both, as the first set spells them; ``images``: the first set's files whose bytes are an
    image of the second too. ``compared``: False where one of the sets names nobody, so that only images were compared.
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


def overlap(training: ImageList, images: ImageList, people: tuple[str, ...], *, cache: Path) -> Overlap:
    """People of the training set who are among ``people`` too, and its images that are among ``images``."""
    compared = training.named and images.named
    digests = [image_digests(source, cache=cache) for source in (training, images)]
    return Overlap(
        people_in_both(training.identities, people) if compared else (),
        images_in_both(training.files, *digests),
        compared,
    )
