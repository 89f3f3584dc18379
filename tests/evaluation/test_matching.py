"""Names of a file against names of a protocol."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.errors import DataError
from bench.evaluation.matching import in_order, match


@given(st.lists(st.text("abc", min_size=1, max_size=3), unique=True, min_size=1), st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_each_wanted_name_gets_its_row_and_the_others_are_counted(names, random):
    wanted = [random.choice(names) for _ in range(8)]
    rows, extra = match(names, wanted, "image")
    assert [names[row] for row in rows] == wanted
    assert extra == len([name for name in names if name not in wanted])


def test_missing_and_repeated_names_are_told_together_with_their_counts():
    wanted = [f"p/{i}.jpg" for i in range(9)]
    names = ["p/0.jpg", "p/0.jpg", "p/1.jpg", *(f"lfw/p/{i}.png" for i in range(2, 9))]
    with pytest.raises(DataError) as caught:
        match(names, wanted, "image")
    assert str(caught.value) == (
        "1 names come more than once: p/0.jpg (2 times); 7 of the protocol's 9 images have no embedding: p/2.jpg; "
        "p/3.jpg; p/4.jpg; p/5.jpg; p/6.jpg; … and 2 more (7 in all); the file has 'lfw/p/2.png' instead"
    )
    with pytest.raises(DataError, match="the file's first name is 'x'"):
        match(["x"], wanted, "image")


def test_in_order_needs_exactly_as_many():
    assert in_order(3, "abc", "image").tolist() == [0, 1, 2]
    assert in_order(3, "abc", "image").dtype == np.int64
    with pytest.raises(DataError, match="in order there must be 3 embeddings, one for each template; found 4"):
        in_order(4, "abc", "template")
