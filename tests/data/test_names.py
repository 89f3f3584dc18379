"""Matching people by name, and cutting a training set down."""

from __future__ import annotations

from pathlib import Path

import layouts
import numpy as np
import pytest

from bench.catalog import FORMATS
from bench.data.names import normalise
from bench.data.selection import filter_images
from bench.data.types import ImageList
from bench.errors import DataError

IMAGES = ImageList(
    Path("faces"),
    ("c/1", "a/1", "b/1", "b/2", "a/2", "d/1", "d/2"),
    np.array([2, 0, 1, 1, 0, 3, 3], np.int64),
    ("Ann_Lee", "Bo", "Cy", "007"),
)


@pytest.mark.parametrize(
    ("name", "letters"),
    [
        ("Arnold_Schwarzenegger", "arnoldschwarzenegger"),
        ("Arnold Schwarzenegger 2", "arnoldschwarzenegger"),
        ("50 Cent", "cent"),
        ("José Ángel", "joseangel"),
        ("Jose\u0301 A\u0301ngel", "joseangel"),
        ("Groß", "gross"),
        ("O'Neal, Shaquille", "onealshaquille"),
        ("李娜", "李娜"),
        ("İpek", "ipek"),
        ("0001", ""),
        ("n000001", ""),
        ("id_0042", ""),
        ("Bo 2", "bo"),
    ],
)
def test_names_are_their_letters(name: str, letters: str) -> None:
    assert normalise(name) == letters
    assert normalise(letters) == letters


def test_filtering_keeps_order_and_renumbers() -> None:
    left = filter_images(IMAGES, min_images=2, exclude={normalise("ann lee")})
    assert left.files == ("b/1", "b/2", "d/1", "d/2")
    assert left.labels.tolist() == [0, 0, 1, 1]
    assert left.labels.dtype == np.int64
    assert left.identities == ("Bo", "007")


def test_nothing_to_leave_out_changes_nothing() -> None:
    left = filter_images(IMAGES)
    assert (left.files, left.identities, left.labels.tolist()) == (
        IMAGES.files,
        IMAGES.identities,
        IMAGES.labels.tolist(),
    )


def test_names_without_letters_match_nobody() -> None:
    assert "007" in filter_images(IMAGES, exclude={normalise("123")}).identities


def test_nobody_left_is_an_error() -> None:
    with pytest.raises(DataError, match="none of 4 people is left with at least 9 images"):
        filter_images(IMAGES, min_images=9)


@layouts.needs_shared
def test_training_sets_without_the_people_of_their_test_sets() -> None:
    cfp = FORMATS.get("cfp_images").function(layouts.SHARED / "cfp")
    lfw = FORMATS.get("lfw_images").function(layouts.SHARED / "lfw")
    for_lfw = filter_images(cfp, exclude={normalise(n) for n in lfw.identities})
    assert (len(for_lfw.identities), len(for_lfw.files)) == (324, 4536)
    for_cfp = filter_images(lfw, min_images=2, exclude={normalise(n) for n in cfp.identities})
    assert (len(for_cfp.identities), len(for_cfp.files)) == (1549, 7323)
