"""The record of a protocol: the same numbers as the functions it is made of, and a reason for each that is missing."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from bench.errors import DataError
from bench.evaluation.all_pairs import all_pairs
from bench.evaluation.bootstrap import bootstrap_intervals
from bench.evaluation.geometry import measure
from bench.evaluation.identification import identify, search_within
from bench.evaluation.lists import ProtocolLists
from bench.evaluation.record import Measures, measure_images, measure_protocol, measure_scores
from bench.evaluation.templates import pair_scores, pool, unit_rows
from bench.evaluation.verification import verify

PEOPLE, EACH = 8, 5
PAIRS_OF_20 = np.stack(
    [np.repeat(np.arange(0, 20, 2), 2), np.tile([1, 3], 10) + np.repeat(np.arange(0, 20, 2), 2)], axis=1
)
PAIRS_OF_20[-1, 1] = 0


def lists(**changed: object) -> ProtocolLists:
    """Eight people with five templates of two images each; 40 pairs in two folds."""
    draw = np.random.default_rng(0)
    identity = np.repeat(np.arange(PEOPLE), EACH)
    genuine = np.stack([np.arange(0, 40, 2), np.arange(0, 40, 2) + 1 - 2 * (np.arange(0, 40, 2) % 5 == 4)], axis=1)
    impostor = np.stack([np.arange(20), (np.arange(20) + 5 + draw.integers(0, 15, 20)) % 40], axis=1)
    pairs = np.concatenate([genuine, impostor])
    test = ProtocolLists(
        images=[f"{t}/{i}.jpg" for t in range(40) for i in range(2)],
        template=np.repeat(np.arange(40), 2),
        template_names=[str(t) for t in range(40)],
        pairs=pairs,
        same=identity[pairs[:, 0]] == identity[pairs[:, 1]],
        fold=np.arange(40) % 2,
        identity=identity,
    )
    return dataclasses.replace(test, **changed)


def embeddings(count: int = 80) -> np.ndarray:
    draw = np.random.default_rng(1)
    means = draw.normal(size=(PEOPLE, 16))
    return np.repeat(means, count // PEOPLE, axis=0) + 0.8 * draw.normal(size=(count, 16))


def test_the_record_is_what_its_parts_say():
    test, raw = lists(), embeddings()
    measures = Measures(far=("1e-1", "1e-4"), bootstrap=50, seed=3)
    record, scores, templates = measure_images(raw, test, measures)
    np.testing.assert_array_equal(templates, pool(unit_rows(raw, test.images), test.template, 40))
    np.testing.assert_array_equal(scores, pair_scores(templates, test.pairs))
    found = verify(scores, test.same, test.fold, fars=measures.far)
    geometry = measure(templates, test.identity)
    assert record["metrics"] == found.metrics() | geometry.metrics()
    assert record["accuracy_per_fold"] == found.accuracy.per_fold.tolist()
    intervals = bootstrap_intervals(
        scores, test.same, test.identity[test.pairs], test.fold, fars=measures.far, replicates=50, seed=3
    )
    for name in ("accuracy", "eer", "auc", "tar_at_far_1e-1", "min_dcf", "d_prime"):
        assert record["intervals"][name]["low"] == intervals[name].low
    assert {"compactness_deg", "separation_deg"} <= record["intervals"].keys()
    assert "tar_at_far_1e-4" not in record["intervals"]
    assert (record["facts"]["images"], record["facts"]["templates"], record["facts"]["pairs"]) == (80, 40, 40)
    assert json.loads(json.dumps(record, allow_nan=False)) == json.loads(json.dumps(record))


def test_the_replicates_kept_are_those_that_the_intervals_are_made_of():
    kept = {}
    record, scores, _ = measure_images(embeddings(), lists(), Measures(far=("1e-1",), bootstrap=50, seed=3), kept=kept)
    assert kept.keys() == {"accuracy", "eer", "auc", "min_dcf", "d_prime", "tar_at_far_1e-1"}
    for name, drawn in kept.items():
        interval = record["intervals"][name]
        assert drawn.shape == (50,)
        low, high = np.quantile(drawn[~np.isnan(drawn)], [0.025, 0.975])
        assert (low, high) == pytest.approx((interval["low"], interval["high"]))
    without = {}
    measure_scores(scores, lists(), Measures(), kept=without)
    assert without == {}


def test_the_whole_set_is_measured_where_it_is_asked_for():
    test, raw = lists(), embeddings()
    asked = Measures(all_pairs_far=("1e-1", "1e-6"), ranks=(1, 8), fpir=("1e-2",), bootstrap=20)
    record, _, templates = measure_images(raw, test, asked)
    pairs = all_pairs(templates, test.identity, fars=asked.all_pairs_far)
    found = identify(search_within(templates, test.identity), fpirs=asked.fpir, ranks=asked.ranks)
    assert pairs.metrics().items() <= record["metrics"].items()
    assert found.metrics().items() <= record["metrics"].items()
    assert record["intervals"].keys() >= {"all_pairs_tar_at_far_1e-1", "rank_1"}
    assert not record["intervals"].keys() & {"all_pairs_tar_at_far_1e-6", "rank_8", "tpir_at_fpir_1e-2"}
    assert record["notes"]["all_pairs_tar_at_far_1e-1"] == "at most 70 of 700 impostors pass"
    for name in ("all_pairs_tar_at_far_1e-6", "rank_8", "tpir_at_fpir_1e-2"):
        assert record["notes"][name].startswith("not measurable: ")
    without = measure_images(raw, test, Measures())[0]
    assert not [name for name in without["metrics"] if name.startswith(("all_pairs", "rank", "tpir"))]
    assert without["intervals"] == {}


def test_templates_are_measured_as_their_images_are():
    test, raw = lists(), embeddings()
    record, scores, templates = measure_images(raw, test, Measures())
    again, found = measure_protocol(templates, test, Measures())
    np.testing.assert_array_equal(found, scores)
    assert again["metrics"] == record["metrics"]


def test_the_media_of_a_protocol_reach_its_templates():
    """Four images a template, three of them frames of one video."""
    test = lists(template=np.repeat(np.arange(20), 4), template_names=[str(t) for t in range(20)], pairs=PAIRS_OF_20)
    identity = np.repeat(np.arange(10), 2)
    same = identity[PAIRS_OF_20[:, 0]] == identity[PAIRS_OF_20[:, 1]]
    media = np.tile([0, 0, 0, 1], 20)
    test = dataclasses.replace(test, identity=identity, same=same, fold=np.arange(20) // 2 % 2)
    _, _, found = measure_images(embeddings(), dataclasses.replace(test, media=media), Measures())
    expected = pool(unit_rows(embeddings(), test.images), test.template, 20, media)
    np.testing.assert_array_equal(found, expected)
    assert np.abs(found - measure_images(embeddings(), test, Measures())[2]).max() > 1e-3


def test_what_cannot_be_measured_is_none_and_says_why():
    record = measure_scores(np.arange(40.0), lists(fold=None, named=False), Measures(far=("1e-3",), bootstrap=20))
    assert record["metrics"]["accuracy"] is None
    assert record["metrics"]["tar_at_far_1e-3"] is None
    assert record["thresholds"] is record["accuracy_per_fold"] is record["facts"]["folds"] is None
    assert record["notes"]["accuracy"] == "not measured: the protocol has no folds"
    assert record["notes"]["tar_at_far_1e-3"] == f"not measurable: {record['facts']['impostor']} impostors"
    assert "may be too narrow" in record["notes"]["intervals"]
    record, _ = measure_protocol(unit_rows(embeddings(40), "x" * 40), lists(named=False), Measures())
    assert "who its people are" in record["notes"]["geometry"]
    assert "isotropy" not in record["metrics"]
    few = lists(identity=np.repeat(np.arange(20), 2), same=np.zeros(40, bool))
    few = dataclasses.replace(few, same=few.identity[few.pairs[:, 0]] == few.identity[few.pairs[:, 1]])
    record, _ = measure_protocol(unit_rows(embeddings(40), "x" * 40), few, Measures())
    assert record["notes"]["geometry"] == "not measurable: needs two people with 4 templates each"


def test_a_distance_is_the_other_way_round():
    test = lists()
    scores = np.random.default_rng(2).normal(size=40) + test.same
    near = measure_scores(scores, test, Measures(bootstrap=20))
    far = measure_scores(-scores, test, Measures(bootstrap=20), direction="distance")
    for name in ("accuracy", "eer", "auc", "tar_at_far_1e-2", "d_prime"):
        assert near["metrics"][name] == far["metrics"][name]
    assert near["intervals"] == far["intervals"]


def test_the_digest_of_the_lists_covers_what_is_compared():
    test = lists()
    changed = [
        lists(pairs=test.pairs[::-1]), lists(same=~test.same), lists(fold=1 - test.fold),
        lists(media=np.zeros(80, np.int64)), lists(images=test.images[::-1]), lists(named=False),
    ]  # fmt: skip
    assert len({one.digest() for one in [test, lists(), *changed]}) == 1 + len(changed)


def test_a_wrong_number_of_scores_is_refused():
    with pytest.raises(DataError, match=r"the protocol has 40 pairs, found scores of shape \(39,\)"):
        measure_scores(np.zeros(39), lists(), Measures())
    with pytest.raises(DataError, match="NaN or infinity at pair 7"):
        measure_scores(np.where(np.arange(40) == 7, np.nan, 0.1), lists(), Measures())
