"""Training sets cut down to some people and some images."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.data.selection import choose_people, filter_images, subsample, take
from bench.data.types import ImageList
from bench.errors import DataError


def images_of(labels: list[int]) -> ImageList:
    people = max(labels) + 1
    return ImageList(
        Path("faces"), tuple(f"{i}.jpg" for i in range(len(labels))), np.array(labels, np.int64),
        tuple(f"person {n}" for n in range(people)),
    )  # fmt: skip


def owners(images: ImageList) -> list[tuple[str, str]]:
    return [(file, images.identities[label]) for file, label in zip(images.files, images.labels, strict=True)]


labels = st.lists(st.integers(0, 6), min_size=1, max_size=40)


@given(labels, st.data())
def test_taking_rows_keeps_who_is_on_which_image(given_labels: list[int], data: st.DataObject) -> None:
    images = images_of(given_labels)
    rows = sorted(data.draw(st.sets(st.integers(0, len(given_labels) - 1), min_size=1)))
    taken = take(images, np.array(rows))
    assert owners(taken) == [owners(images)[row] for row in rows]
    assert sorted(set(taken.labels.tolist())) == list(range(len(taken.identities)))


@given(labels, st.integers(1, 5), st.integers(0, 3))
def test_a_subsample_of_images_holds_at_most_so_many_of_each_in_their_order(
    given_labels: list[int], most: int, seed: int
) -> None:
    images = images_of(given_labels)
    less = subsample(images, images_each=most, seed=seed)
    before, after = (Counter(person for _, person in owners(i)) for i in (images, less))
    assert after == {person: min(most, count) for person, count in before.items()}
    assert [file for file in images.files if file in less.files] == list(less.files)
    assert owners(subsample(images, images_each=most, seed=seed)) == owners(less)


@given(labels, st.integers(0, 3))
def test_a_subsample_of_people_keeps_them_whole(given_labels: list[int], seed: int) -> None:
    images = take(images_of(given_labels), np.arange(len(given_labels)))
    wanted = (len(images.identities) + 1) // 2
    less = subsample(images, identities=wanted, seed=seed)
    assert len(less.identities) == wanted
    assert owners(less) == [owner for owner in owners(images) if owner[1] in less.identities]


def test_subsamples_depend_on_their_seed_and_on_nothing_else() -> None:
    images = images_of([i % 50 for i in range(500)])
    draws = [subsample(images, identities=10, images_each=3, seed=seed).files for seed in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]


def test_more_people_than_there_are_cannot_be_drawn() -> None:
    with pytest.raises(DataError, match="a subsample of 3 people is asked for, there are 2"):
        subsample(images_of([0, 1]), identities=3)


def test_lists_of_people_name_them_as_the_source_does() -> None:
    images = images_of([0, 1, 2, 1])
    assert choose_people(images, include=["person 1"]).files == ("1.jpg", "3.jpg")
    assert choose_people(images, exclude=["person 1"]).files == ("0.jpg", "2.jpg")
    assert choose_people(images).files == images.files


def test_a_listed_name_that_nobody_has_is_a_mistake_not_passed_over() -> None:
    with pytest.raises(DataError, match=r"1 names of exclude_identities .*'persn 1'; did you mean 'person 1'"):
        choose_people(images_of([0, 1]), exclude=["persn 1"])


def test_nobody_left_is_an_error() -> None:
    with pytest.raises(DataError, match="none of 1 people is left"):
        choose_people(images_of([0]), exclude=["person 0"])
    with pytest.raises(DataError, match="at least 9 images"):
        filter_images(images_of([0]), min_images=9)
