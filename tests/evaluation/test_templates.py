"""Unit rows, pooling and scores against plain loops, across the borders of their chunks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.errors import DataError
from bench.evaluation import templates
from bench.evaluation.templates import pair_scores, pool, unit_rows


def slow_pool(rows, template, count, media=None):
    """Per template the mean of its media's means, one image after the other."""
    found = []
    for t in range(count):
        groups = {}
        for i in range(len(rows)):
            if template[i] == t:
                groups.setdefault(i if media is None else ("medium", media[i]), []).append(rows[i].astype(float))
        means = [sum(group) / len(group) for group in groups.values()]
        mean = sum(means) / len(means)
        found.append(mean / np.sqrt((mean * mean).sum()))
    return np.array(found)


@given(st.integers(0, 2**32 - 1), st.booleans(), st.integers(1, 9))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_pooling_is_the_mean_of_the_means_of_media(seed, with_media, chunk):
    draw = np.random.default_rng(seed)
    count = int(draw.integers(1, 6))
    template = np.concatenate([np.arange(count), draw.integers(count, size=int(draw.integers(0, 20)))])
    rows = unit_rows(draw.normal(size=(len(template), 5)), ["x"] * len(template))
    media = draw.integers(3, size=len(template)) if with_media else None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(templates, "CHUNK", chunk)
        found = pool(rows, template, count, media)
    np.testing.assert_allclose(found, slow_pool(rows, template, count, media), atol=1e-6)
    assert found.dtype == np.float32


def test_frames_of_one_video_count_as_one_picture():
    """Nine frames of a video and one still: without media the video would outvote the still nine to one."""
    rows = np.array([[1, 0]] * 9 + [[0, 1]], np.float32)
    template, media = np.zeros(10, np.int64), np.array([4] * 9 + [7])
    np.testing.assert_allclose(pool(rows, template, 1, media)[0], [np.sqrt(0.5)] * 2, atol=1e-6)
    np.testing.assert_allclose(pool(rows, template, 1)[0], np.array([9, 1]) / np.sqrt(82), atol=1e-6)


def test_one_number_of_a_medium_in_two_templates_is_two_media():
    rows = np.array([[1, 0], [0, 1], [0, 1], [1, 0]], np.float32)
    template, media = np.array([0, 0, 1, 1]), np.array([5, 6, 5, 5])
    np.testing.assert_allclose(pool(rows, template, 2, media), np.full((2, 2), np.sqrt(0.5)), atol=1e-6)


def test_scores_are_cosines_whatever_the_chunk(monkeypatch):
    draw = np.random.default_rng(0)
    rows = unit_rows(draw.normal(size=(7, 4)), "abcdefg")
    pairs = draw.integers(7, size=(23, 2))
    slow = [sum(float(x) * float(y) for x, y in zip(rows[a], rows[b], strict=True)) for a, b in pairs]
    whole = pair_scores(rows, pairs)
    np.testing.assert_allclose(whole, slow, atol=1e-7)
    for chunk in (1, 5, 23):
        monkeypatch.setattr(templates, "CHUNK", chunk)
        assert pair_scores(rows, pairs).tobytes() == whole.tobytes()


def test_rows_without_a_direction_are_named():
    rows = np.ones((9, 3))
    rows[2], rows[4, 1], rows[5, 0], rows[7] = 0, np.nan, np.inf, 1e300
    with pytest.raises(DataError, match=r"4 of 9 embeddings are zero or not finite in float32: c \(zero\); e \(not f"):
        unit_rows(rows, "abcdefghi")
    np.testing.assert_allclose(unit_rows(np.array([[3, 4]]), "a"), [[0.6, 0.8]], rtol=1e-6)
