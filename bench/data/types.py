"""The plain values that readers hand on: lists of labelled images, and verification protocols."""

from __future__ import annotations

import os
import typing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.errors import DataError

Int = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]
Pixels = npt.NDArray[np.uint8]

# More than any photograph of a face takes; what is larger is not read into memory.
MOST_BYTES = 1 << 28


class Container(typing.Protocol):
    """A file that holds many images (a record file, a pickled list). Small to pickle: it opens its file when asked."""

    @property
    def path(self) -> Path:
        """The file, for messages."""
        ...

    @property
    def files(self) -> tuple[Path, ...]:
        """All files that it reads (an index beside the records, say): where none changed, nothing did."""
        ...

    def read(self, name: str) -> bytes | Pixels:
        """The encoded image file of this name, or its pixels (H, W, 3) uint8 RGB where they are stored raw.

        Raises DataError naming the image where it cannot be read.
        """
        ...


@dataclass(frozen=True)
class ImageList:
    """Images on disk with identity labels; nothing is decoded yet.

    ``files``: N paths relative to ``root``, posix style, in a defined order. ``labels``: (N,) int64 index into
    ``identities``, whose entries are the people's names as the source spells them. With a ``container``, ``files`` are
    the names that it reads and ``root`` is its path. ``named`` is False where the source names nobody, so that
    ``identities`` are made up (numbers, say) and mean nothing in another source.
    """

    root: Path
    files: tuple[str, ...]
    labels: Int
    identities: tuple[str, ...]
    container: Container | None = None
    named: bool = True

    def read(self, name: str) -> bytes | Pixels:
        """The encoded image file called ``name``, or its pixels where they are stored raw.

        Raises OSError where there is no such file, DataError where it is too large or its container is damaged.
        """
        if self.container is not None:
            return self.container.read(name)
        # Looked up once, and without a buffer that one whole read has no use for.
        with open(self.root / name, "rb", buffering=0) as file:  # noqa: PTH123
            if (size := os.fstat(file.fileno()).st_size) > MOST_BYTES:
                raise DataError(f"has {size} bytes; at most {MOST_BYTES} are read")
            return file.readall()

    @property
    def where(self) -> Path:
        """The file or folder that holds the images, for messages."""
        return self.root if self.container is None else self.container.path


@dataclass(frozen=True)
class Protocol:
    """A verification test: which templates are compared, which pairs are genuine, and in which fold each lies.

    A template is what gets one embedding: an image, or a video whose frames are pooled. ``template``: (N,) int64,
    image → template; ``template_names``: T; ``pairs``: (P, 2) int64 template indices; ``same``: (P,) bool, genuine or
    impostor; ``fold``: (P,) int64 from 0, or None where the protocol has no folds (then it has no k-fold accuracy).
    ``media``: (N,) int64, or None: images of a template with one number are frames of one video, averaged before the
    template's media are; None means that each image counts alike.
    """

    name: str
    images: ImageList
    template: Int
    template_names: tuple[str, ...]
    pairs: Int
    same: Bool
    fold: Int | None
    media: Int | None = None
