"""What comes after the trials: the final comparison, the plan for the trackers, the record and its words."""

import json
import re

import pytest

from bench.errors import BenchError
from bench.scheduling.execute import InProcess
from bench.scheduling.suite_run import run_plan
from bench.search.driver import search
from bench.search.final import final_plan, trials_plan
from bench.search.record import rows, search_record
from bench.search.subject import subjects
from bench.store import Store
from tests.search.made_up import MadeUp


def test_the_winner_and_the_baseline_are_retrained_on_everybody_with_the_same_fresh_seeds(tmp_path, suite_of):
    block = (
        "{trials: 3, space: {enhancement.strength: {low: 1e-3, high: 1, log: true}, margin.m: {low: 0.1, high: 0.3}}}"
    )
    suite = suite_of(block, overrides=("recipe.select=validation",))
    (found,) = search(suite, Store(tmp_path / "results"), executor=MadeUp())
    plan, ((best, baseline),) = final_plan(suite, [found])
    assert [run.seed for run in plan.runs] == [101, 102, 103] * 2
    assert [run.config["enhancement"] for run in plan.runs[:3]] == [None] * 3
    chosen = found.chosen.params
    assert {run.config["enhancement"]["strength"] for run in plan.runs[3:]} == {chosen["enhancement.strength"]}
    assert {run.config["margin"]["m"] for run in plan.runs} == {chosen["margin.m"]}
    assert all(run.config["validation"] is None and "lfw" in run.evaluations for run in plan.runs)
    assert {run.config["recipe"]["select"] for run in plan.runs} == {"last"}
    assert [run.cell for run in plan.runs] == [baseline] * 3 + [best] * 3
    assert {run.baseline for run in plan.runs} == {baseline}
    assert found.baseline.params == {"margin.m": chosen["margin.m"], "enhancement.strength": 0.0}
    assert len(found.baseline.runs) == 1


def test_finished_trials_stand_in_a_plan_of_their_own_for_the_trackers(tmp_path, suite_of):
    suite, store = suite_of("{trials: 3}"), Store(tmp_path / "results")
    found = search(suite, store, executor=MadeUp())
    plan = trials_plan(suite, found)
    assert {run.run for run in plan.runs} == {run for t in (found[0].baseline, *found[0].trials) for run in t.runs}
    assert plan.suite.name.endswith(".trials")
    assert all(run.state(store) == "done" and not run.protocols for run in plan.runs)


def test_what_was_found_is_kept_and_said_with_validation_and_test_numbers(tmp_path, suite_of):
    suite, store = suite_of("{trials: 2, seeds: [0, 1]}", overrides=("recipe.epochs=1",)), Store(tmp_path / "results")
    found = search(suite, store, executor=InProcess())
    plan, cells = final_plan(suite, found)
    run_plan(plan, store, command="bench search", executor=InProcess())
    record = search_record(suite, store, found, plan, cells, trials=2, fair=False, command="bench search")
    store.write_search(suite.name, record)
    assert store.search(suite.name) == json.loads(json.dumps(record))
    (study,) = record["studies"]
    low, high = study["baseline_interval"]
    assert 0 <= low <= study["baseline"]["values"][0] <= high <= 1
    assert study["final"] == {"best": cells[0][0], "baseline": cells[0][1], "seeds": [101, 102, 103]}
    assert study["chosen"] in study["best"]
    assert record["space"]["enhancement.strength"] == {
        "kind": "float", "low": 1e-4, "high": 1.0, "log": True, "step": None, "choices": None, "when": None,
    }  # fmt: skip
    assert record["budget"] | {"seconds": 0} == {"trials": 2, "configurations": 2, "epochs": 4, "seconds": 0}
    assert record["budget"]["seconds"] > 0
    trial = study["trials"][0]
    assert trial["intermediate"] == {"1": trial["values"][0]}
    assert len(trial["runs"]) == 2
    assert re.search(r"2 trials of 2 configurations; best: enhancement.strength \S+ with accuracy", record["text"])
    assert "95 % bootstrap interval" in record["text"]
    assert re.search(r"lfw, retrained over 3 fresh seeds: .* of the baseline \(difference", record["text"])
    assert rows(record)[0]["trial"] == "baseline"


@pytest.mark.parametrize(
    ("block", "more", "words"),
    [
        ("", {}, "no `search` block"),
        ("{trials: 3}", {"grid": "{margin.s: [8, 16]}"}, "needs one cell, found a grid of 2; --fair"),
        (
            "{trials: 3}",
            {"change": (("validation: {identities: 0.5, pairs: 60}", "validation: {pairs: 60}"),)},
            "above 0",
        ),
    ],
)
def test_a_suite_that_cannot_be_searched_is_refused(suite_of, block, more, words):
    with pytest.raises(BenchError, match=words):
        subjects(suite_of(block, **more), fair=False)
