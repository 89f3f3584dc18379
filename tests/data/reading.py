"""Sources read by a format's name, as tests want to see them."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.catalog import FORMATS
from bench.data.source import people_at
from bench.data.types import ImageList, Protocol
from bench.errors import DataError


def read(name: str, root: Path, **options: object) -> Protocol:
    result = FORMATS.get(name).function(root, **options)
    assert isinstance(result, Protocol)
    return result


def read_images(name: str, root: Path, **options: object) -> ImageList:
    result = FORMATS.get(name).function(root, **options)
    assert isinstance(result, ImageList)
    return result


def refusal(name: str, root: Path, **options: object) -> str:
    with pytest.raises(DataError) as raised:
        FORMATS.get(name).function(root, **options)
    return str(raised.value)


def people(name: str, root: Path, **options: object) -> tuple[str, ...]:
    """What a format's trait says, for which only lists and folders are read."""
    return people_at(name, root, options)


def compared(protocol: Protocol) -> list[tuple[int, str, str, bool]]:
    """The pairs as a reader of the list file sees them; fold -1 where there are none."""
    names = protocol.template_names
    folds = [-1] * len(protocol.same) if protocol.fold is None else protocol.fold.tolist()
    return [
        (fold, names[a], names[b], bool(same))
        for (a, b), same, fold in zip(protocol.pairs.tolist(), protocol.same, folds, strict=True)
    ]
