"""A fair search: every value of an axis gets the same, and only then are the tuned winners compared."""

import itertools

import pytest
from scipy import stats

from bench.errors import BenchError
from bench.evaluation.comparison import holm
from bench.search.driver import search
from bench.search.final import final_plan
from bench.search.record import budget, rows, search_record
from bench.search.verdict import verdict
from bench.store import Store
from tests.search.made_up import MadeUp

MARGINS = "{margin: [{name: normface, s: 16}, {name: arcface, s: 16, m: 0.2}, {name: cosface, s: 16, m: 0.2}]}"
SPACE = (
    "space: {recipe.optimiser.lr: {low: 0.01, high: 0.2, log: true}, "
    "margin.m: {low: 0.1, high: 0.5, when: {margin.name: [arcface, cosface]}}}"
)


def score(config):
    return (
        0.5 + {"normface": 0, "arcface": 0.1, "cosface": 0.2}[config["margin"]["name"]] + config["margin"].get("m", 0)
    )


def test_every_value_gets_as_many_trials_and_epochs_and_none_is_pruned(tmp_path, suite_of):
    suite = suite_of(f"{{trials: 7, pruner: asha, {SPACE}}}", grid=MARGINS)
    store, executor = Store(tmp_path / "results"), MadeUp(score, slots=2)
    found = search(suite, store, fair=True, executor=executor)
    assert [each.subject.label for each in found] == ["normface", "arcface", "cosface"]
    assert len({each.study for each in found}) == 3
    assert [[trial.state for trial in each.trials] for each in found] == [["complete"] * 7] * 3
    assert [budget([each], 7) for each in found] == [
        {"trials": 7, "configurations": 7, "epochs": 14, "seconds": 28.0}
    ] * 3
    assert not any(job.ask for job in executor.jobs)
    assert set(found[0].chosen.params) == {"recipe.optimiser.lr"}
    assert set(found[1].chosen.params) == {"recipe.optimiser.lr", "margin.m"}
    first = [job.runs[0]["config"]["margin"]["name"] for job in executor.jobs[3:9]]
    assert sorted(first) == ["arcface", "arcface", "cosface", "cosface", "normface", "normface"]  # side by side


def test_the_tuned_winners_are_retrained_over_the_same_fresh_seeds(tmp_path, suite_of):
    suite = suite_of(f"{{trials: 2, retrain_seeds: [11, 12, 13], {SPACE}}}", grid=MARGINS)
    store = Store(tmp_path / "results")
    found = search(suite, store, fair=True, executor=MadeUp(score))
    plan, cells = final_plan(suite, found, fair=True)
    assert [run.seed for run in plan.runs] == [11, 12, 13] * 3
    assert all(run.config["validation"] is None and "lfw" in run.evaluations for run in plan.runs)
    assert [baseline for _, baseline in cells] == [None] * 3
    assert plan.runs[0].axes == {
        "margin": "normface",
        "recipe.optimiser.lr": f"{found[0].chosen.params['recipe.optimiser.lr']:.4g}",
        "margin.m": "–",
    }


def test_where_the_term_is_searched_each_winner_has_its_own_baseline(tmp_path, suite_of, monkeypatch):
    monkeypatch.setattr("bench.search.record.accuracy_interval", lambda store, runs: (0.4, 0.6))
    suite, store = suite_of("{trials: 2}", grid=MARGINS), Store(tmp_path / "results")
    found = search(suite, store, fair=True, executor=MadeUp(score))
    plan, cells = final_plan(suite, found, fair=True)
    assert len(plan.runs) == 2 * 3 * 3
    assert len({cell for both in cells for cell in both}) == 6
    record = search_record(suite, store, found, plan, cells, trials=2, fair=True, command="bench search")
    assert (record["fair"], record["pruner"]) == ("margin", {"name": "none"})
    assert record["budget"]["trials"] == 6
    assert "Each of 3 values was searched with 2 trials of 2 epochs, none pruned" in record["text"]
    assert [row["of"] for row in rows(record)] == ["normface"] * 3 + ["arcface"] * 3 + ["cosface"] * 3


TESTED = {
    "normface": [0.701, 0.722, 0.711, 0.730],
    "arcface": [0.812, 0.811, 0.8131, 0.832],
    "cosface": [0.741, 0.792, 0.831, 0.900],
}


def test_all_pairs_of_winners_are_compared_and_only_what_holms_correction_leaves_is_told_apart(tmp_path, suite_of):
    suite = suite_of(f"{{trials: 2, retrain_seeds: [1, 2, 3, 4], {SPACE}}}", grid=MARGINS)
    store = Store(tmp_path / "results")
    found = search(suite, store, fair=True, executor=MadeUp(score))
    plan, cells = final_plan(suite, found, fair=True)
    words = verdict(store, found, [None] * 3, plan, cells, fair=True)
    assert "differences" not in words  # nothing is tested yet
    for (cell, _), accuracies in zip(cells, TESTED.values(), strict=True):
        for run, accuracy in zip([run for run in plan.runs if run.cell == cell], accuracies, strict=True):
            record = {"run": run.run, "protocol": "lfw", "metrics": {"accuracy": accuracy}}
            store.write_evaluation(run.run, run.evaluations["lfw"], record, {})
    words = verdict(store, found, [None] * 3, plan, cells, fair=True)
    assert (
        "lfw, tuned winners retrained over 4 fresh seeds: arcface 81.70 %, cosface 81.60 %, normface 71.60 %" in words
    )
    pairs = list(itertools.combinations(TESTED, 2))
    alone = [stats.ttest_rel(TESTED[one], TESTED[other]).pvalue for one, other in pairs]
    adjusted = holm(alone)
    assert [p < 0.05 for p in alone] == [True, True, False]
    assert [p < 0.05 for p in adjusted] == [True, False, False]
    assert adjusted[0] < 0.001
    assert "Of 3 differences between two winners on a protocol 1 is told from 0 at 5 % after Holm's correction" in words
    paired = stats.ttest_rel(TESTED["normface"], TESTED["arcface"])
    low, high = (f"{100 * end:+.2f}".replace("-", "−") for end in paired.confidence_interval())
    said = f"difference −10.10 points, 95 % interval {low} to {high}, adjusted p < 0.001"
    assert f"normface − arcface on lfw ({said}" in words
    assert "paired t over seeds" in words


@pytest.mark.parametrize(
    ("block", "more", "words"),
    [
        ("{trials: 2}", {}, "compares the values of an axis"),
        ("{space: {recipe.epochs: {choices: [2, 3]}}}", {"grid": MARGINS}, "recipe.epochs is not searched"),
        ("{space: {backbone.width: {choices: [4, 8]}}}", {"grid": MARGINS}, "backbone.width is not searched"),
        ("{trials: 2}", {"grid": "{recipe.epochs: [2, 3]}"}, "needs equal epochs, found 2, 3"),
    ],
)
def test_what_would_not_be_fair_is_refused(tmp_path, suite_of, block, more, words):
    with pytest.raises(BenchError, match=words):
        search(suite_of(block, **more), Store(tmp_path / "results"), fair=True, executor=MadeUp())
