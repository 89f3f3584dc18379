"""InsightFace's training sets: ``train.rec``, ``train.idx`` and ``property`` in a folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bench.catalog import FORMATS
from bench.data.containers.record import RecordFile
from bench.data.formats._lists import lines_of
from bench.data.types import ImageList
from bench.errors import DataError


@FORMATS.register(
    "rec",
    summary="InsightFace's train.rec and train.idx (MXNet RecordIO)",
    source="Deng et al.: ArcFace, CVPR 2019; the data sets of its code base",
    provides="training",
)
def rec(root: Path) -> ImageList:
    """Reads ROOT/train.rec or the file ROOT; a person is called by the label's number as text.

    Where ``identities.txt`` lies beside it, a name a line, line n is the name of label n − 1. Raises DataError for broken
    records, labels that are no identities, and labels that ``property`` (``classes,height,width``) or the names have no
    room for.
    """
    file = root / "train.rec" if root.is_dir() else root
    if not file.is_file():
        raise DataError(f"no record file {file}; expected a folder that holds train.rec and train.idx, or a .rec file")
    container = RecordFile(file)
    keys, labels = container.images()
    classes = _classes(file.with_name("property"))
    if classes is not None and labels.max() >= classes:
        raise DataError(f"{file}: found label {labels.max()}, property promises {classes} classes, from 0")
    names = _names(file.with_name("identities.txt"))
    if names is not None and labels.max() >= len(names):
        raise DataError(f"{file}: found label {labels.max()}, identities.txt names {len(names)} people, from label 0")
    people, labels = np.unique(labels, return_inverse=True)
    width = len(str(keys[-1]))
    return ImageList(
        root=file,
        files=tuple([f"{key:0{width}d}" for key in keys.tolist()]),
        labels=labels.astype(np.int64),
        identities=tuple(str(label) if names is None else names[label] for label in people.tolist()),
        container=container,
        named=names is not None,
    )


def _names(file: Path) -> list[str] | None:
    """The name of each label; None where no file tells. Raises DataError for a name that two labels have."""
    if not file.exists():
        return None
    names = [name for _, name in lines_of(file)]
    if len(set(names)) < len(names):
        twice = next(name for i, name in enumerate(names) if name in names[:i])
        raise DataError(f"{file}: names {twice!r} more than once")
    return names


def _classes(file: Path) -> int | None:
    """The number of classes that a ``property`` file promises; None where there is no such file."""
    if not file.exists():
        return None
    try:
        text = file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file} cannot be read: {error}") from None
    fields = text.split(",")
    if len(fields) != 3 or not all(f.strip().isdigit() and len(f) < 10 for f in fields):
        raise DataError(f"{file}: found {text[:40]!r}, expected 'classes,height,width'")
    return int(fields[0])
