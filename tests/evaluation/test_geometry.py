"""Geometry on embeddings whose shape is known."""

import itertools

import numpy as np
import pytest

from bench.errors import DataError
from bench.evaluation.geometry import EDGES_DEG, Geometry, effective_dimension, measure, pull_isotropy


def around(means, people, images, axes, seed=0):
    """Embeddings that spread by ``axes`` (d,) about unit means (K, d): (N, d), labels (N,)."""
    draw = np.random.default_rng(seed)
    labels = np.repeat(np.arange(people), images)
    return means[labels] + draw.normal(size=(len(labels), len(axes))) * axes, labels


def slow_d_eff(groups):
    """The estimator over every choice of four images, not over some."""
    top, bottom = [], []
    for x in groups:
        for a, b, c, d in itertools.permutations(range(len(x)), 4):
            first, second = x[a] - x[b], x[c] - x[d]
            top.append(first @ first * (second @ second) / 4)
            bottom.append((first @ second) ** 2 / 4)
    return np.mean(top) / np.mean(bottom)


@pytest.mark.parametrize(("axes", "true"), [(np.ones(64), 64), (np.r_[np.ones(32), np.full(32, 0.1)], 33), (None, 2.6)])
def test_d_eff_recovers_a_known_covariance_from_four_images(axes, true):
    """The three cases that gradient_enhancement.md states; the plain participation ratio reads 3 for all of them."""
    if axes is None:
        axes = np.sqrt(np.r_[1.0, 0.8, 0.12, np.full(61, 0.003)])
    expected = (axes**2).sum() ** 2 / (axes**4).sum()
    assert expected == pytest.approx(true, rel=0.05)
    draw = np.random.default_rng(0)
    found = effective_dimension(draw.normal(size=(6000, 4, 64)) * axes, draw)
    assert found == pytest.approx(expected, rel=0.1)


def test_d_eff_averages_over_disjoint_quadruples():
    draw = np.random.default_rng(1)
    groups = draw.normal(size=(40, 5, 3)) * [2, 1, 0.5]
    many = np.mean([effective_dimension(groups, draw) for _ in range(40)])
    assert many == pytest.approx(slow_d_eff(groups), rel=0.01)
    assert effective_dimension(np.ones((3, 4, 8)), draw) is None


def test_isotropic_identities_read_as_their_null_and_anisotropic_ones_below():
    d, people = 32, 400
    means = np.random.default_rng(2).normal(size=(people, d))
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    round_ones = measure(*around(means, people, 8, np.full(d, 0.05)))
    assert round_ones.isotropy == pytest.approx(1, abs=0.06)
    assert round_ones.isotropy_null == pytest.approx(1, abs=0.06)
    assert round_ones.d_eff == pytest.approx((d - 1) * round_ones.isotropy)
    assert round_ones.top_axis_share == pytest.approx(1 / 31, abs=0.02)
    flat = measure(*around(means, people, 8, np.r_[0.3, np.full(d - 1, 0.02)]))
    assert flat.isotropy < 0.15
    assert flat.isotropy_null == pytest.approx(1, abs=0.06)
    assert flat.top_axis_share > 0.7
    assert flat.participation < 3 < round_ones.participation <= 7


def test_angles_by_hand():
    """Two identities on a circle in the plane (x, y), leaning out of it by ± 10° and ± 20°."""

    def at(turn, lean):
        turn, lean = np.radians([turn, lean])
        return [np.cos(lean) * np.cos(turn), np.cos(lean) * np.sin(turn), np.sin(lean)]

    x = [
        at(turn, lean)
        for turn, lean in [(0, -10), (0, 10), (0, -10), (0, 10), (90, -20), (90, 20), (90, -20), (90, 20)]
    ]
    found = measure(np.array(x) * 7, [5, 5, 5, 5, 9, 9, 9, 9])
    assert found.compactness_deg == pytest.approx(15)
    assert found.separation_deg == pytest.approx(90)
    assert found.further_margin_deg == pytest.approx(60)
    assert found.top_axis_share == pytest.approx(1)
    assert found.d_eff == pytest.approx(1)
    assert found.isotropy == pytest.approx(0.5)
    assert found.participation == pytest.approx(1)
    assert found.intra.sum() == found.inter.sum() == 8
    assert found.inter[EDGES_DEG[:-1] == 90.0] + found.inter[EDGES_DEG[1:] == 90.0] == 8


def slow_angles(x, labels):
    """(compactness, separation, further margin) by loops, where every identity has the same number of images."""
    people = np.unique(labels)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    means = {p: unit[labels == p].mean(axis=0) for p in people}
    means = {p: m / np.linalg.norm(m) for p, m in means.items()}

    def angle(a, b):
        return np.degrees(2 * np.arcsin(np.linalg.norm(a - b) / 2))

    radius = {p: max(angle(v, means[p]) for v in unit[labels == p]) for p in people}
    compact = np.mean([angle(v, means[p]) for v, p in zip(unit, labels, strict=True)])
    nearest = [min(angle(means[p], means[q]) for q in people if q != p) for p in people]
    margins = [min(angle(means[p], means[q]) - radius[p] - radius[q] for q in people if q != p) for p in people]
    return compact, np.mean(nearest), np.mean(margins)


def test_angles_match_plain_loops():
    means = np.random.default_rng(3).normal(size=(12, 6))
    x, labels = around(means, 12, 5, np.full(6, 0.4))
    found = measure(x, labels)
    compact, separation, margin = slow_angles(x, labels)
    assert (found.identities, found.images, found.left_out) == (12, 5, 0)
    assert found.compactness_deg == pytest.approx(compact)
    assert found.separation_deg == pytest.approx(separation)
    assert found.further_margin_deg == pytest.approx(margin)


def test_top_axis_per_identity_needs_twenty_images():
    """Each identity spreads along an axis of its own: pooled they look round, one by one they do not."""
    draw = np.random.default_rng(4)
    rows, labels = [], np.repeat(np.arange(30), 25)
    for _ in range(30):
        mean, axis = draw.normal(size=(2, 16))
        rows.append(mean + 0.3 * draw.normal(size=(25, 1)) * axis + 0.02 * draw.normal(size=(25, 16)))
    found = measure(np.concatenate(rows), labels)
    assert found.images == 20
    assert found.top_axis_share_per_identity > 0.9 > 0.4 > found.top_axis_share
    assert measure(np.concatenate(rows)[::2], labels[::2]).top_axis_share_per_identity is None


def test_identities_are_equalised_left_out_and_counted():
    draw = np.random.default_rng(5)
    labels = np.repeat(np.arange(6), [2, 4, 6, 6, 9, 3])
    found = measure(draw.normal(size=(30, 8)), labels)
    assert (found.images, found.identities, found.left_out) == (6, 3, 3)
    assert found.intra.sum() == 18
    assert found.facts() == {
        "geometry_identities": 3,
        "geometry_images": 6,
        "geometry_left_out": 3,
        "geometry_zero_spread": 0,
    }


def test_the_same_seed_gives_the_same_bits():
    draw = np.random.default_rng(6)
    x, labels = draw.normal(size=(90, 8)), np.repeat(np.arange(9), np.arange(6, 15))
    assert measure(x, labels, seed=1).metrics() == measure(x, labels, seed=1).metrics()
    assert measure(x, labels, seed=1).metrics() != measure(x, labels, seed=2).metrics()


def test_identities_without_spread_are_counted_and_not_averaged():
    means = np.eye(6)[:3]
    x, labels = around(means, 3, 4, np.full(6, 0.1))
    alone = measure(x[:8], labels[:8])
    with_point = x.copy()
    with_point[8:] = means[2]
    found = measure(with_point.astype(np.float32), labels)
    assert (found.zero_spread, found.identities) == (1, 3)
    assert found.compactness_deg == pytest.approx(alone.compactness_deg, rel=1e-5)
    assert found.intra.sum() == found.inter.sum() == 8
    collapsed = measure(np.ones((8, 4)), np.repeat([0, 1], 4))
    assert collapsed.zero_spread == 2
    assert set(collapsed.metrics().values()) == {None}


def test_too_few_images_measure_nothing():
    found = measure(np.eye(6), [0, 0, 0, 1, 1, 1])
    assert (found.identities, found.left_out) == (0, 2)
    assert set(found.metrics().values()) == {None}
    assert isinstance(found, Geometry)
    assert sum(found.angles()["intra"]) == 0


def test_embeddings_without_a_direction_are_refused():
    x = np.ones((8, 3))
    x[2], x[5, 1] = 0, np.nan
    with pytest.raises(DataError, match=r"2 of 8 embeddings are zero or not finite \(rows 2, 5\)"):
        measure(x, np.repeat([0, 1], 4))
    with pytest.raises(DataError, match=r"identities must be \(8,\)"):
        measure(np.ones((8, 3)), [0, 1])
    with pytest.raises(DataError, match=r"\(N, d\) with d ≥ 2"):
        measure(np.ones(8), np.zeros(8))


def test_pull_isotropy_of_known_pulls():
    draw = np.random.default_rng(7)
    theta = draw.uniform(0.2, 1.2, 4000)
    assert pull_isotropy(np.ones(4000), theta) == 1
    uniform = draw.uniform(0, 1, 4000)
    assert pull_isotropy(uniform, theta) == pytest.approx(0.05 / 0.95, rel=0.2)
    by_angle = np.sin(theta)
    coarse, fine = (pull_isotropy(by_angle, theta, bins=b) for b in (5, 50))
    assert coarse < fine
    assert fine > 0.95


def test_pull_isotropy_never_parts_equal_angles():
    theta = np.repeat([0.3, 0.9], 300)
    pull = np.where(theta < 0.5, 2.0, 8.0)
    order = np.random.default_rng(8).permutation(600)
    assert pull_isotropy(pull, theta) == pull_isotropy(pull[order], theta[order]) == 1


def test_pull_isotropy_that_cannot_be_measured():
    assert pull_isotropy(np.zeros(400), np.linspace(0, 1, 400)) is None
    assert pull_isotropy(np.ones(199), np.linspace(0, 1, 199)) is None
    half_dead = np.repeat([0.0, 3.0], 200)
    assert pull_isotropy(half_dead, np.linspace(0, 1, 400)) == 1
    with pytest.raises(DataError, match="pull and theta must be finite"):
        pull_isotropy([np.nan], [0.1])
