"""Several sources as one training set, their people declared different, or matched by name."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from bench.data.names import normalise
from bench.data.types import Container, ImageList, Pixels
from bench.errors import SHOWN, DataError


@dataclass(frozen=True)
class Union:
    """The container of a union: an image is called ``NUMBER/NAME``, NUMBER being its source's place from 0.

    ``parts``: of each source its root, its container, and whether it names its people.
    """

    parts: tuple[tuple[Path, Container | None, bool], ...]

    @property
    def path(self) -> Path:
        return self.parts[0][0]

    @property
    def files(self) -> tuple[Path, ...]:
        return tuple(file for _, container, _ in self.parts if container is not None for file in container.files)

    def read(self, name: str) -> bytes | Pixels:
        number, _, inner = name.partition("/")
        root, container, _ = self.parts[int(number)]
        return ImageList(root, (inner,), np.zeros(1, np.int64), ("",), container).read(inner)

    def split(self, images: ImageList) -> list[ImageList]:
        """The images of each source in turn, under their names there; the order of ``images`` within each."""
        owner = np.array([int(file.partition("/")[0]) for file in images.files], np.int64)
        if (np.diff(owner) < 0).any():
            raise ValueError("the images of a union stand source by source")
        lists = []
        for number in np.unique(owner).tolist():
            root, container, named = self.parts[number]
            rows = np.flatnonzero(owner == number)
            files = tuple(images.files[row].partition("/")[2] for row in rows)
            labels = images.labels[rows]
            lists.append(replace(images, root=root, files=files, labels=labels, container=container, named=named))
        return lists


def unite(sources: Sequence[ImageList], *, people: Literal["different", "by_name"]) -> ImageList:
    """The images of all sources, source by source, as one list.

    ``different``: no person is in two sources, and one who is by name is an error. ``by_name``: people whose names have
    the same letters are one person, called as in the first source that has them; every source must name its people.
    People without a name, or with one that has no letters, match nobody and are called ``NUMBER/NAME``.
    """
    nameless = [str(source.where) for source in sources if not source.named]
    if people == "by_name" and nameless:
        raise DataError(
            f"people cannot be matched by name: {', '.join(nameless)} names nobody; say `people: different`"
        )
    called = [
        [name if source.named and normalise(name) else f"{number}/{name}" for name in source.identities]
        for number, source in enumerate(sources)
    ]
    known: dict[str, str] = {}
    shared: dict[str, None] = {}
    for source, names in zip(sources, called, strict=True):
        met: dict[str, str] = {}
        for i, name in enumerate(names):
            key = normalise(name) if source.named else ""
            if key in known:
                shared[name] = None
                names[i] = known[key]
            elif key:
                met.setdefault(key, name)
        known |= met
    if people == "different" and shared:
        some = ", ".join(itertools.islice(shared, SHOWN)) + (", …" if len(shared) > SHOWN else "")
        raise DataError(
            f"{len(shared)} people are in more than one source by name: {some}; "
            "say `people: by_name` if they are the same, or exclude them"
        )
    identities = tuple(dict.fromkeys(name for names in called for name in names))
    number_of = {name: number for number, name in enumerate(identities)}
    return ImageList(
        root=sources[0].root,
        files=tuple(f"{number}/{file}" for number, source in enumerate(sources) for file in source.files),
        labels=np.concatenate(
            [
                np.array([number_of[name] for name in names], np.int64)[source.labels]
                for names, source in zip(called, sources, strict=True)
            ]
        ),
        identities=identities,
        container=Union(tuple((source.root, source.container, source.named) for source in sources)),
        named=not nameless,
    )
