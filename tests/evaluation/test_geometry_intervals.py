"""Intervals of the geometry: each replicate is the geometry of the identities that were drawn."""

from __future__ import annotations

import numpy as np
import pytest

from bench.errors import DataError
from bench.evaluation.geometry import measure
from bench.evaluation.geometry_intervals import geometry_intervals
from bench.evaluation.resampling import draw_people


def embeddings(
    people: int, images: int, d: int, *, spread: float = 0.5, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    labels = np.repeat(np.arange(people), images)
    axes = np.linspace(1, 0.2, d) * draw.uniform(0.5, 1.5, (people, 1))
    return draw.normal(size=(people, d))[labels] + spread * axes[labels] * draw.normal(size=(len(labels), d)), labels


def test_the_parts_of_a_metric_make_the_metric() -> None:
    geometry = measure(*embeddings(30, 24, 8))
    assert len(geometry.parts) == 8
    for name, (numerator, denominator) in geometry.parts.items():
        assert numerator.sum() / denominator.sum() == pytest.approx(geometry.metrics()[name], rel=1e-12)
        assert geometry_intervals(geometry, seed=1)[name].estimate == pytest.approx(geometry.metrics()[name], rel=1e-12)


def test_a_replicate_is_the_ratio_over_the_people_drawn() -> None:
    geometry = measure(*embeddings(12, 8, 6))
    (found,) = [geometry_intervals(geometry, replicates=1, seed=3)["d_eff"]]
    times = draw_people(np.random.default_rng(3), 12, 1)[0]
    top, bottom = geometry.parts["d_eff"]
    drawn = [i for i in range(12) for _ in range(times[i])]
    expected = sum(top[i] for i in drawn) / sum(bottom[i] for i in drawn)
    assert found.low == found.high == pytest.approx(expected)


def test_identities_that_are_all_alike_have_no_spread_of_their_mean() -> None:
    one, _ = embeddings(1, 8, 6)
    turned = [np.roll(one, shift, axis=1) for shift in range(6)]  # the same class, in other directions
    found = geometry_intervals(measure(np.concatenate(turned), np.repeat(np.arange(6), 8)), seed=0)
    assert found["compactness_deg"].high - found["compactness_deg"].low == pytest.approx(0, abs=1e-9)


def test_intervals_shrink_as_identities_are_added_and_cover_what_they_estimate() -> None:
    truth = measure(*embeddings(1000, 4, 6, seed=9)).compactness_deg
    assert truth is not None
    widths, inside = {}, 0
    for people in (20, 180):
        found = [
            geometry_intervals(measure(*embeddings(people, 4, 6, seed=s)), seed=s, replicates=400) for s in range(30)
        ]
        chosen = [one["compactness_deg"] for one in found]
        widths[people] = np.mean([one.high - one.low for one in chosen])
        inside += sum(one.low <= truth <= one.high for one in chosen)
    assert 2.3 < widths[20] / widths[180] < 3.7  # the square root of 9
    assert 50 <= inside <= 60


def test_the_same_seed_gives_the_same_bits_and_another_does_not() -> None:
    geometry = measure(*embeddings(12, 8, 6))
    assert geometry_intervals(geometry, seed=1) == geometry_intervals(geometry, seed=1)
    assert geometry_intervals(geometry, seed=1) != geometry_intervals(geometry, seed=2)


def test_what_was_not_measured_has_no_interval() -> None:
    assert geometry_intervals(measure(*embeddings(1, 8, 6)), seed=0) == {}
    with pytest.raises(DataError, match="found 0 and"):
        geometry_intervals(measure(*embeddings(3, 8, 6)), seed=0, replicates=0)
