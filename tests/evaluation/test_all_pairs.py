"""All pairs against a loop over pairs and thresholds: ties, tiles, order of rows, and repetition of people."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.errors import DataError, DeviceError
from bench.evaluation import all_pairs as module
from bench.evaluation.all_pairs import all_pairs, all_pairs_intervals
from bench.evaluation.cosines import PRODUCT_UNIT, STEPS
from bench.evaluation.resampling import draw_people
from bench.evaluation.verification import tar_at_far
from tests.evaluation.exact import slow_cosine, slow_rate

FARS = ["1e-3", "3e-2", Fraction(1, 3), "9e-1"]


def slow_pairs(embeddings, identity):
    """Cosine and both identities of every pair, i < j."""
    rows = list(zip(embeddings, identity, strict=True))
    return [(slow_cosine(a, b), p, q) for (a, p), (b, q) in itertools.combinations(rows, 2)]


@st.composite
def template_sets(draw, most):
    """Few values and few people: ties among and across the kinds, copies, one person only, and all people distinct."""
    count, size = draw(st.integers(2, most)), draw(st.integers(1, 3))
    value = st.integers(-2, 2)
    row = st.lists(value, min_size=size, max_size=size).filter(any)
    embeddings = draw(st.lists(row, min_size=count, max_size=count))
    identity = draw(st.lists(st.sampled_from([-7, 0, 3, 10**12, *range(100, 103)]), min_size=count, max_size=count))
    if draw(st.integers(0, 9)) == 0:
        identity = list(range(count))
    return np.array(embeddings, np.float32), np.array(identity)


@given(template_sets(14), st.sampled_from([1, 3, 4, 2048]))
@settings(max_examples=80, deadline=None, derandomize=True)
def test_every_rate_matches_its_loop(test_set, tile):
    embeddings, identity = test_set
    found = all_pairs(embeddings, identity, fars=FARS, tile=tile)
    pairs = slow_pairs(embeddings, identity)
    genuine = [s for s, p, q in pairs if p == q]
    impostor = [s for s, p, q in pairs if p != q]
    assert (found.templates, found.people) == (len(identity), len(set(identity.tolist())))
    assert (found.genuine, found.impostor) == (len(genuine), len(impostor))
    for point, far in zip(found.tar_at_far, FARS, strict=True):
        assert (point.tar, point.threshold) == slow_rate(genuine, impostor, Fraction(far))
        assert point.allowed == int(Fraction(far) * len(impostor))
        if genuine and impostor:
            assert point == tar_at_far(np.array(genuine, float), np.array(impostor, float), far)


def faces(people=40, each=6, size=16, seed=0, noise=1.0):
    """(embeddings, identity) of people with one to ``each`` templates, in no order."""
    draw = np.random.default_rng(seed)
    identity = draw.permutation(np.repeat(np.arange(people), draw.integers(1, each + 1, people)))
    embeddings = draw.normal(size=(people, size))[identity] + noise * draw.normal(size=(len(identity), size))
    return embeddings.astype(np.float32), identity


def test_a_floor_that_rises_after_each_tile_loses_no_score(monkeypatch):
    monkeypatch.setattr(module, "_REFRESH", 1)
    for seed in range(6):
        embeddings, identity = faces(12, 4, 3, seed)
        if seed % 2:
            embeddings = np.rint(embeddings) + 0.5
        pairs = slow_pairs(embeddings, identity)
        kinds = [np.array([s for s, p, q in pairs if (p == q) == kind], float) for kind in (True, False)]
        for far in ("1e-2", "1e-1", "6e-1"):
            assert all_pairs(embeddings, identity, fars=[far], tile=5).tar_at_far == (tar_at_far(*kinds, far),)


class Tiles:
    """Products whose scores are these steps below 1."""

    rows = torch.zeros(1, 1, dtype=torch.int32)

    def __init__(self, steps):
        self.steps = steps

    def tiles(self, *, genuine):
        for part in self.steps:
            yield 0, 0, (STEPS - torch.from_numpy(part).double()) * PRODUCT_UNIT


@pytest.mark.parametrize("start", [0, 4090, STEPS - 5, 2 * STEPS - 11])
def test_every_rank_is_found_among_neighbouring_scores(monkeypatch, start):
    monkeypatch.setattr(module, "_REFRESH", 1)
    steps = start + np.random.default_rng(start).integers(0, 12, (30, 1, 9))
    expected = np.sort(steps.ravel())
    for needed in (1, 5, 40):
        assert module._Top(needed, Tiles(steps)).ranked([*range(1, needed + 1)]) == expected[:needed].tolist()


def test_tile_order_of_rows_length_and_names_of_people_change_no_bit():
    embeddings, identity = faces(150)
    plain = all_pairs(embeddings, identity, fars=FARS)
    assert 0 < plain.tar_at_far[0].tar < plain.tar_at_far[1].tar < 1
    for tile in (1000, 129, 64, 37):
        assert all_pairs(embeddings, identity, fars=FARS, tile=tile) == plain
    draw = np.random.default_rng(5)
    order = draw.permutation(len(identity))
    assert all_pairs(embeddings[order], identity[order], fars=FARS, tile=100) == plain
    assert all_pairs(embeddings, draw.permutation(1000)[identity], fars=FARS, tile=100) == plain
    longer = embeddings * 2.0 ** draw.integers(-9, 9, (len(identity), 1))
    assert all_pairs(longer, identity, fars=FARS) == plain
    assert all_pairs(embeddings, identity, fars=FARS[::-1]).tar_at_far == plain.tar_at_far[::-1]


def test_threads_change_no_bit():
    embeddings, identity = faces(150)
    before = torch.get_num_threads()
    try:
        found = []
        for threads in (1, 3):
            torch.set_num_threads(threads)
            found.append(all_pairs(embeddings, identity, fars=FARS))
    finally:
        torch.set_num_threads(before)
    assert found[0] == found[1]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_cuda_gives_the_same_bits():
    embeddings, identity = faces(150)
    assert all_pairs(embeddings, identity, fars=FARS, device="cuda", tile=100) == all_pairs(
        embeddings, identity, fars=FARS
    )
    assert all_pairs_intervals(
        embeddings, identity, fars=FARS, seed=0, replicates=20, device="cuda"
    ) == all_pairs_intervals(embeddings, identity, fars=FARS, seed=0, n=20)


def test_opposite_embeddings_count_though_their_rounded_rows_are_too_long():
    """√512 does not divide 2²⁶, and both rows are rounded away from 0: their product lies two steps below −1."""
    embeddings = np.ones((3, 512)) * [[1], [1], [-1]]
    (point,) = all_pairs(embeddings, [0, 0, 1], fars=["5e-1"]).tar_at_far
    assert (point.tar, point.threshold) == (1, 1)
    (interval,) = all_pairs_intervals(embeddings, [0, 0, 1], fars=["5e-1"], seed=0).values()
    assert (interval.low, interval.estimate, interval.high) == (1, 1, 1)


def test_metrics_and_facts_are_named():
    found = all_pairs([[1, 0], [1, 0], [0, 1]], [5, 5, 6], fars=["0.5", 1e-4])
    assert found.metrics() == {"all_pairs_tar_at_far_5e-1": 1.0, "all_pairs_tar_at_far_1e-4": None}
    assert found.facts() == {
        "all_pairs_templates": 3, "all_pairs_people": 2, "all_pairs_genuine": 1, "all_pairs_impostor": 2,
    }  # fmt: skip


def test_without_one_of_the_kinds_nothing_is_measurable():
    embeddings = np.eye(4)
    for identity, genuine in (([1, 1, 1, 1], 6), ([1, 2, 3, 4], 0), ([1], 0)):
        count = len(identity)
        found = all_pairs(embeddings[:count], identity, fars=["5e-1"])
        assert (found.genuine, found.tar_at_far[0].tar, found.tar_at_far[0].threshold) == (genuine, None, None)
        assert all_pairs_intervals(embeddings[:count], identity, fars=["5e-1"], seed=0) == {}


def test_what_cannot_be_compared_is_refused():
    embeddings = np.eye(3)
    with pytest.raises(DataError, match=r"1 of 3 .* zero or not finite \(rows 2\)"):
        all_pairs(np.diag([1, 1, 0]), [3, 2, 1], fars=["1e-1"])
    with pytest.raises(DataError, match=r"identities must be \(3,\) integers"):
        all_pairs(embeddings, [1, 2], fars=["1e-1"])
    with pytest.raises(DataError, match=r"real numbers \(N, d\)"):
        all_pairs(1.0, [], fars=["1e-1"])
    with pytest.raises(DataError, match="must lie in"):
        all_pairs(embeddings, [1, 2, 3], fars=["2"])
    with pytest.raises(DeviceError, match="found 'gpu'"):
        all_pairs(embeddings, [1, 1, 3], fars=["1e-1"], device="gpu")
    with pytest.raises(DataError, match="replicates=0 and level"):
        all_pairs_intervals(embeddings, [1, 1, 3], fars=["5e-1"], seed=0, replicates=0)


def slow_interval(pairs, people, far, n, seed, level):
    """(low, high, undefined): each pair is written down as often as its people were drawn."""
    draw = np.random.default_rng(seed)
    found = []
    for _ in range(n):
        times = dict(zip(people, draw_people(draw, len(people), 1)[0].tolist(), strict=True))
        genuine = [s for s, p, q in pairs if p == q for _ in range(times[p])]
        impostor = [s for s, p, q in pairs if p != q for _ in range(times[p] * times[q])]
        found.append(slow_rate(genuine, impostor, Fraction(far))[0])
    defined = [tar for tar in found if tar is not None]
    if not defined:
        return None, None, n
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return low, high, n - len(defined)


@given(template_sets(10), st.integers(0, 2**32 - 1), st.sampled_from(["1e-1", "1/3"]))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_an_interval_matches_literal_repetition(test_set, seed, far):
    embeddings, identity = test_set
    intervals = all_pairs_intervals(embeddings, identity, fars=[far], seed=seed, replicates=12, level=0.8, tile=4)
    found = next(iter(intervals.values()), None)
    estimate = all_pairs(embeddings, identity, fars=[far]).tar_at_far[0].tar
    pairs = slow_pairs(embeddings, identity)
    low, high, undefined = slow_interval(pairs, sorted(set(identity.tolist())), far, 12, seed, 0.8)
    if estimate is None:
        assert found is None
    elif low is None:
        assert (found.low, found.high, found.undefined) == (None, None, 12)
    else:
        assert (found.estimate, found.undefined) == (estimate, undefined)
        assert (found.low, found.high) == pytest.approx((low, high), abs=1e-15)
        assert (found.level, found.replicates, found.seed) == (0.8, 12, seed)


def test_an_interval_from_the_highest_impostors_equals_that_from_all(monkeypatch):
    embeddings, identity = faces(150)
    fars = ["1e-3", "1e-2", "3e-2"]
    everything = all_pairs_intervals(embeddings, identity, fars=fars, seed=1, replicates=50)
    monkeypatch.setattr(module, "_TIMES", 2)
    monkeypatch.setattr(module, "_SPARE", 0)
    highest = all_pairs_intervals(embeddings, identity, fars=fars, seed=1, replicates=50)
    assert highest == everything
    for name, tar in all_pairs(embeddings, identity, fars=fars).metrics().items():
        assert highest[name].estimate == tar
        assert highest[name].low < tar < highest[name].high


def test_a_replicate_beyond_the_impostors_that_were_kept_is_counted(monkeypatch):
    """Two people's many like pairs: drawn often, they fill what was kept; the threshold is then unknown."""
    draw = np.random.default_rng(0)
    embeddings = np.concatenate([draw.normal(0, 0.01, (20, 8)) + 1, draw.normal(size=(40, 8))])
    identity = np.repeat(np.arange(30), 2)
    identity[:20] = np.repeat([0, 1], 10)
    everything = all_pairs_intervals(embeddings, identity, fars=["2e-2"], seed=0, replicates=200)
    monkeypatch.setattr(module, "_TIMES", 2)
    monkeypatch.setattr(module, "_SPARE", 0)
    (found,) = all_pairs_intervals(embeddings, identity, fars=["2e-2"], seed=0, replicates=200).values()
    assert everything["all_pairs_tar_at_far_2e-2"].undefined == 0 < found.undefined < 200


def test_more_pairs_than_are_kept_have_no_interval(monkeypatch):
    embeddings, identity = faces()
    fars = ["1e-3", "1e-1"]
    monkeypatch.setattr(module, "KEPT", 1000)
    found = all_pairs_intervals(embeddings, identity, fars=fars, seed=0, replicates=5)
    assert list(found) == ["all_pairs_tar_at_far_1e-3"]
    monkeypatch.setattr(module, "KEPT", 100)
    assert not all_pairs_intervals(embeddings, identity, fars=fars, seed=0, replicates=5)
