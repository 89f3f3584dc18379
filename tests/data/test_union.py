"""Several sources as one training set."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import layouts
import numpy as np
import pytest

from bench.catalog import FORMATS
from bench.data.cache import image_digests, source_digest
from bench.data.packed import open_packed, pack
from bench.data.selection import take
from bench.data.types import ImageList
from bench.data.union import unite
from bench.errors import DataError


def folder(root: Path, **people: int) -> ImageList:
    result: ImageList = FORMATS.get("folder").function(layouts.image_folder(root, people))
    return result


def listed(root: str, files: str, people: str, *, named: bool = True) -> ImageList:
    labels = np.array([people.split().index(file[0]) for file in files.split()], np.int64)
    return ImageList(Path(root), tuple(files.split()), labels, tuple(people.split()), named=named)


def owners(images: ImageList) -> list[tuple[str, str]]:
    return [(file, images.identities[label]) for file, label in zip(images.files, images.labels, strict=True)]


def test_different_people_are_put_side_by_side() -> None:
    both = unite([listed("x", "a1 b1 a2", "a b"), listed("y", "c1 d1", "c d")], people="different")
    assert owners(both) == [("0/a1", "a"), ("0/b1", "b"), ("0/a2", "a"), ("1/c1", "c"), ("1/d1", "d")]
    assert both.named


def test_people_matched_by_name_are_one_person_called_as_in_the_first_source() -> None:
    first = ImageList(Path("x"), ("1", "2"), np.array([0, 1]), ("Ann_Lee", "Bo"))
    second = ImageList(Path("y"), ("1", "2"), np.array([1, 0]), ("Cy", "ann lee 2"))
    both = unite([first, second], people="by_name")
    assert owners(both) == [("0/1", "Ann_Lee"), ("0/2", "Bo"), ("1/1", "Ann_Lee"), ("1/2", "Cy")]


def test_two_people_of_one_source_with_the_same_letters_stay_two() -> None:
    numbered = ImageList(Path("x"), ("1", "2"), np.array([0, 1]), ("ann 1", "ann 2"))
    assert unite([numbered, listed("y", "c1", "c")], people="different").identities == ("ann 1", "ann 2", "c")


@pytest.mark.parametrize("people", ["different", "by_name"])
def test_numbers_are_no_names(people: Literal["different", "by_name"]) -> None:
    sources = [ImageList(Path(at), ("1",), np.array([0]), ("0001",)) for at in "xy"]
    assert unite(sources, people=people).identities == ("0/0001", "1/0001")


def test_a_person_in_two_sources_is_refused_where_all_are_said_to_be_different() -> None:
    with pytest.raises(DataError, match=r"1 people are in more than one source by name: ann lee; .*by_name"):
        unite(
            [
                ImageList(Path("x"), ("1",), np.array([0]), ("Ann_Lee",)),
                ImageList(Path("y"), ("1",), np.array([0]), ("ann lee",)),
            ],
            people="different",
        )


def test_people_without_names_are_told_apart_by_their_source_and_never_matched() -> None:
    sources = [listed("x", "a1 b1", "a b", named=False), listed("y", "a1", "a", named=False)]
    both = unite(sources, people="different")
    assert both.identities == ("0/a", "0/b", "1/a")
    assert not both.named
    with pytest.raises(DataError, match="x, y names nobody"):
        unite(sources, people="by_name")


def test_a_union_is_packed_and_digested_as_its_sources_are(tmp_path: Path) -> None:
    sources = [folder(tmp_path / "x", ann=2, bo=1), folder(tmp_path / "y", cy=2)]
    both = unite(sources, people="different")
    alone = [open_packed(tmp_path, pack(source, pixels=8, cache=tmp_path)) for source in sources]
    store = open_packed(tmp_path, pack(both, pixels=8, cache=tmp_path))
    np.testing.assert_array_equal(store.images, np.concatenate([part.images for part in alone]))
    assert image_digests(both, cache=tmp_path) == [d for s in sources for d in image_digests(s, cache=tmp_path)]
    less = take(both, np.array([1, 2, 4]))
    assert image_digests(less, cache=tmp_path) == [image_digests(both, cache=tmp_path)[i] for i in (1, 2, 4)]
    swapped = unite(sources[::-1], people="different")
    assert source_digest(swapped, cache=tmp_path) != source_digest(both, cache=tmp_path)
