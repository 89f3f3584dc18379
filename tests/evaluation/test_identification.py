"""Searches against loops over probes, gallery and thresholds: ties, several templates of a person, probes unknown."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.errors import DataError
from bench.evaluation import identification as module
from bench.evaluation.identification import (
    gallery_and_probes,
    identification_intervals,
    identify,
    search,
    search_within,
)
from bench.evaluation.resampling import draw_people
from tests.evaluation.exact import slow_cosine

FPIRS = ["1e-2", "3e-1", Fraction(2, 3)]


def slow_search(gallery, owners, probes, people):
    """(rank or 0, best mate, best other) of each probe; −2 where there is none."""
    found = []
    for probe, person in zip(probes, people, strict=True):
        scores = [(slow_cosine(probe, entry), owner) for entry, owner in zip(gallery, owners, strict=True)]
        mates = [s for s, owner in scores if owner == person]
        others = [s for s, owner in scores if owner != person]
        rank = 1 + sum(s >= max(mates) for s in others) if mates else 0
        found.append((rank, float(max(mates, default=-2)), float(max(others, default=-2))))
    return found


def slow_tpir(searches, fpir: Fraction):
    """The largest share of mated probes found, over all thresholds that keep the false alarms within the limit."""
    mated = [(rank, mate) for rank, mate, _ in searches if rank]
    alarms = [other for rank, _, other in searches if not rank]
    allowed = int(fpir * len(alarms))
    if not allowed or not mated:
        return None
    thresholds = [*alarms, *(mate for _, mate in mated), math.inf]
    legal = [t for t in thresholds if sum(score >= t for score in alarms) <= allowed]
    return max(sum(rank == 1 and mate >= t for rank, mate in mated) for t in legal) / len(mated)


@st.composite
def searches(draw):
    """Galleries with nobody, one person, several templates of one; probes of people inside and outside; many ties."""
    size = draw(st.integers(1, 3))
    row = st.lists(st.integers(-2, 2), min_size=size, max_size=size).filter(any)

    def templates(most):
        count = draw(st.integers(0, most))
        embeddings = draw(st.lists(row, min_size=count, max_size=count))
        identity = draw(st.lists(st.sampled_from([-4, 0, 9, 10**12, 5, 6]), min_size=count, max_size=count))
        return np.array(embeddings, np.float32).reshape(count, size), np.array(identity, np.int64)

    return *templates(7), *templates(12)


@given(searches(), st.sampled_from([1, 8, 2**23]))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_every_search_and_rate_matches_its_loop(case, block):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_BLOCK", block)
        found = search(*case)
    slow = slow_search(*case)
    assert list(zip(found.rank.tolist(), found.mate.tolist(), found.other.tolist(), strict=True)) == slow
    rates = identify(found, fpirs=FPIRS)
    ranks = [rank for rank, _, _ in slow if rank]
    assert (rates.gallery, rates.mated, rates.unmated) == (len(case[0]), len(ranks), len(slow) - len(ranks))
    if ranks:
        assert rates.cmc.tolist() == [sum(r <= k for r in ranks) / len(ranks) for k in range(1, len(case[0]) + 1)]
        assert rates.cmc[-1] == 1
    else:
        assert rates.cmc is None
    for point, fpir in zip(rates.tpir, FPIRS, strict=True):
        assert point.tar == slow_tpir(slow, Fraction(fpir))
        assert point.allowed == int(Fraction(fpir) * rates.unmated)
        if point.tar:
            assert sum(rank == 1 and mate >= point.threshold for rank, mate, _ in slow) == point.tar * rates.mated


def test_a_tie_with_another_person_counts_against_the_mate():
    found = search([[1, 0], [1, 0], [0, 1]], [1, 2, 3], [[2, 0], [0, 3]], [1, 3])
    assert found.rank.tolist() == [2, 1]
    assert identify(found, fpirs=[]).metrics() == {"rank_1": 0.5, "rank_5": None, "rank_10": None}


def test_of_a_persons_templates_in_the_gallery_the_best_counts():
    found = search([[1, 0], [0, 1], [1, 1]], [1, 1, 2], [[0, 1]], [1])
    assert (found.rank.tolist(), found.mate.tolist()) == ([1], [1.0])


def test_a_mate_that_is_not_first_is_no_identification_whatever_the_threshold():
    gallery = [[1, 0], [0, 1], [-1, 0]]
    probes = [[1, 0], [2, 3], [0, -1]]  # found; its mate second; unknown
    found = search(gallery, [1, 2, 3], probes, [1, 1, 7])
    (point,) = identify(found, fpirs=["9e-1"]).tpir
    assert (point.tar, point.allowed) == (None, 0)
    twice = search(gallery, [1, 2, 3], [*probes, [0, -1]], [1, 1, 7, 8])
    (point,) = identify(twice, fpirs=["9e-1"]).tpir
    assert (point.tar, point.threshold, point.allowed) == (0.5, 1.0, 1)


def test_the_gallery_is_the_first_template_of_each_person_with_two():
    gallery, probes = gallery_and_probes([8, 3, 5, 3, 8, 8, 1])
    assert gallery.tolist() == [0, 1]
    assert probes.tolist() == [2, 3, 4, 5, 6]
    assert [part.tolist() for part in gallery_and_probes([4, 2, 9])] == [[], [0, 1, 2]]
    assert [part.tolist() for part in gallery_and_probes([4, 4])] == [[0], [1]]
    assert [part.tolist() for part in gallery_and_probes(np.zeros(0, int))] == [[], []]
    with pytest.raises(DataError, match="integers, found"):
        gallery_and_probes(["a", "b"])


def faces(people=120, each=5, size=16, seed=0):
    draw = np.random.default_rng(seed)
    identity = draw.permutation(np.repeat(np.arange(people), draw.integers(1, each + 1, people)))
    embeddings = draw.normal(size=(people, size))[identity] + draw.normal(size=(len(identity), size))
    return embeddings.astype(np.float32), identity


def test_a_search_within_a_test_set_is_the_search_of_its_split():
    embeddings, identity = faces()
    gallery, probes = gallery_and_probes(identity)
    found = search_within(embeddings, identity)
    twin = search(embeddings[gallery], identity[gallery], embeddings[probes], identity[probes])
    assert (found.rank == twin.rank).all()
    assert identify(found, fpirs=FPIRS).metrics() == identify(twin, fpirs=FPIRS).metrics()
    assert identify(found, fpirs=FPIRS).facts() == {
        "identification_gallery": len(gallery),
        "identification_mated": int(np.isin(identity[probes], identity[gallery]).sum()),
        "identification_unmated": int((np.bincount(identity) == 1).sum()),
    }


def test_blocks_and_order_of_gallery_and_probes_change_no_bit(monkeypatch):
    embeddings, identity = faces()
    gallery, probes = gallery_and_probes(identity)
    plain = search(embeddings[gallery], identity[gallery], embeddings[probes], identity[probes])
    draw = np.random.default_rng(1)
    shuffled, order = draw.permutation(gallery), draw.permutation(len(probes))
    asked = probes[order]
    monkeypatch.setattr(module, "_BLOCK", 7 * len(gallery))
    found = search(embeddings[shuffled], identity[shuffled], embeddings[asked], identity[asked])
    for field in ("rank", "mate", "other"):
        assert (getattr(found, field) == getattr(plain, field)[order]).all()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_cuda_gives_the_same_bits():
    embeddings, identity = faces()
    found, plain = search_within(embeddings, identity, device="cuda"), search_within(embeddings, identity)
    for field in ("rank", "mate", "other"):
        assert (getattr(found, field) == getattr(plain, field)).all()


@pytest.mark.parametrize("identity", [[1, 2, 3], [], [1]])
def test_without_a_person_twice_nothing_is_measurable(identity):
    found = search_within(np.eye(3)[: len(identity)], np.array(identity, int))
    rates = identify(found, fpirs=["5e-1"])
    assert set(rates.metrics().values()) == {None}
    assert (rates.gallery, rates.mated, rates.unmated) == (0, 0, len(identity))
    intervals = identification_intervals(found, fpirs=["5e-1"], seed=0)
    assert {(one.estimate, one.low, one.undefined) for one in intervals.values()} == {(None, None, 1000)}


def test_one_person_alone_is_always_first():
    """Rank 1 in a gallery of one says nothing, so it is no number."""
    rates = identify(search_within(np.eye(3), [5, 5, 5]), fpirs=["5e-1"])
    assert (rates.mated, rates.cmc.tolist()) == (2, [1.0])
    assert rates.metrics() == {"rank_1": None, "rank_5": None, "rank_10": None, "tpir_at_fpir_5e-1": None}


def test_what_cannot_be_searched_is_refused():
    with pytest.raises(DataError, match=r"of one size d, found \(2, 2\) and \(3, 3\)"):
        search(np.eye(2), [1, 2], np.eye(3), [1, 2, 3])
    with pytest.raises(DataError, match=r"rows 1\)"):
        search(np.diag([1, 0]), [1, 2], np.eye(2), [1, 2])
    with pytest.raises(DataError, match=r"identities must be \(2,\)"):
        search(np.eye(2), [1, 2], np.eye(2), [1])
    with pytest.raises(DataError, match="replicates=5 and level=1"):
        identification_intervals(search_within(*faces()), fpirs=FPIRS, seed=0, replicates=5, level=1)


def slow_intervals(slow, people, fpir, n, seed, level):
    """(low, high, undefined) of rank 1 and of TPIR: each search is written down as often as its person was drawn."""
    names = sorted(set(people))
    draw = np.random.default_rng(seed)
    found = []
    for _ in range(n):
        times = dict(zip(names, draw_people(draw, len(names), 1)[0].tolist(), strict=True))
        repeated = [search for search, person in zip(slow, people, strict=True) for _ in range(times[person])]
        ranks = [rank for rank, _, _ in repeated if rank]
        found.append((sum(r == 1 for r in ranks) / len(ranks) if ranks else None, slow_tpir(repeated, fpir)))
    intervals = []
    for column in zip(*found, strict=True):
        defined = [value for value in column if value is not None]
        low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2]) if defined else (None, None)
        intervals.append((low, high, n - len(defined)))
    return intervals


@given(searches(), st.integers(0, 2**32 - 1))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_an_interval_matches_literal_repetition(case, seed):
    found = search(*case)
    metrics = identify(found, fpirs=["1/3"]).metrics()
    intervals = identification_intervals(found, fpirs=["1/3"], seed=seed, replicates=15, level=0.8)
    assert list(intervals) == list(metrics)
    if not len(case[3]):
        return
    slow = slow_intervals(slow_search(*case), case[3].tolist(), Fraction(1, 3), 15, seed, 0.8)
    for name, (low, high, undefined) in zip(("rank_1", "tpir_at_fpir_1/3"), slow, strict=True):
        if metrics[name] is None or low is None:
            assert (intervals[name].low, intervals[name].high) == (None, None)
        else:
            assert intervals[name].estimate == metrics[name]
            assert (intervals[name].low, intervals[name].high) == pytest.approx((low, high), abs=1e-15)
            assert intervals[name].undefined == undefined
