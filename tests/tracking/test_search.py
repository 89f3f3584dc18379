"""What a search tried, in MLflow: a run a study, a run a trial, and below a trial the run that no plan has."""

from pathlib import Path
from typing import Any

import pytest

from bench.store import Store
from bench.tracking import TrackReport, track_suite
from tests.tracking.made import all_runs, client, entry, finish, plan, store_with

SUITE = "searched"


def trial(number: int, state: str, value: float | None, *runs: str, **more: Any) -> dict[str, Any]:
    return {
        "number": number, "state": state, "params": {"enhancement.strength": 0.1 * number} if number >= 0 else {},
        "values": None if value is None else [value], "runs": list(runs), "intermediate": {"1": 0.5, "2": value},
        "epochs": 2, "seconds": 4.0, "why": None, **more,
    }  # fmt: skip


def record(*trials: dict[str, Any]) -> dict[str, Any]:
    return {
        "schema": 2, "suite": SUITE, "command": "bench search", "fair": None, "text": "λ = 0.1 is best",
        "objectives": [{"name": "accuracy", "direction": "maximize", "where": "validation identities"}],
        "space": {"enhancement.strength": {"kind": "float", "low": 1e-4, "high": 1.0, "log": True}},
        "sampler": {"name": "tpe"}, "pruner": {"name": "median"}, "seeds": [0],
        "budget": {"trials": 3, "configurations": 3, "epochs": 6, "seconds": 12.0},
        "studies": [{
            "label": "", "study": "searched abc", "trials": list(trials), "best": [1], "baseline_interval": None,
            "baseline": trial(-1, "complete", 0.625, "aa01"), "final": {"best": "c", "baseline": "b", "seeds": [1]},
        }],
    }  # fmt: skip


@pytest.fixture
def store(database: Path, tmp_path: Path) -> Store:
    store = store_with(database, tmp_path / "results")
    for run in ("aa01", "dd01", "dd02"):
        finish(store, run)
        store.write_config(run, {**entry(run, "0.1")["config"], "seed": 3})
    store.write_plan(SUITE, plan(SUITE, entry("aa01", "0")))
    trials = [trial(1, "complete", 0.75, "dd01"), trial(2, "pruned", None, "dd02"), trial(3, "failed", None, why="NaN")]
    store.write_search(SUITE, record(*trials, trial(4, "running", None, "dd01")))
    return store


def named(store: Store) -> dict[str, Any]:
    runs = {run.info.run_name: run for run in all_runs(store, SUITE)}
    assert len(runs) == len(all_runs(store, SUITE))
    return runs


def above(run: Any) -> str:
    return str(run.data.tags["mlflow.parentRunId"])


def test_trials_are_nested_and_name_their_runs(store: Store) -> None:
    assert track_suite(store, SUITE) == TrackReport(new=1)
    runs = named(store)
    study = runs["search"]
    assert above(study) == runs[SUITE].info.run_id
    assert study.data.tags["mlflow.note.content"] == "λ = 0.1 is best"
    assert (study.data.metrics["best.accuracy"], study.data.metrics["budget.epochs"]) == (0.75, 6.0)
    assert study.data.params["space.enhancement.strength.high"] == "1.0"
    trials = {name: run for name, run in runs.items() if "bench.trial" in run.data.tags}
    assert {name: run.info.status for name, run in trials.items()} == {
        "baseline": "FINISHED", "trial 1": "FINISHED", "trial 2": "KILLED", "trial 3": "FAILED", "trial 4": "RUNNING",
    }  # fmt: skip
    assert {above(run) for run in trials.values()} == {study.info.run_id}
    assert trials["trial 1"].data.params == {"enhancement.strength": "0.1"}
    assert trials["trial 1"].data.metrics["value.accuracy"] == 0.75
    history = client(store).get_metric_history(trials["trial 1"].info.run_id, "intermediate.accuracy")
    assert [(point.step, point.value) for point in history] == [(1, 0.5), (2, 0.75)]
    assert trials["trial 3"].data.tags["bench.trial.why"] == "NaN"


def test_a_run_that_no_plan_has_stands_below_its_trial(store: Store) -> None:
    track_suite(store, SUITE)
    runs = named(store)
    told = {run.data.tags["bench.run"]: run for run in runs.values() if "bench.run" in run.data.tags}
    assert set(told) == {"aa01", "dd01", "dd02"}
    assert above(told["dd01"]) == runs["trial 1"].info.run_id
    assert above(told["aa01"]) == runs[SUITE].info.run_id
    for name, run in (("baseline", "aa01"), ("trial 1", "dd01"), ("trial 4", "dd01")):
        assert runs[name].data.tags["bench.mlflow_runs"] == told[run].info.run_id
        assert runs[name].data.tags["bench.runs"] == run


def test_a_second_call_adds_nothing_and_a_trial_that_ended_is_told_anew(store: Store) -> None:
    track_suite(store, SUITE)
    before = {name: run.to_dictionary() for name, run in named(store).items()}
    track_suite(store, SUITE)
    assert {name: run.to_dictionary() for name, run in named(store).items()} == before
    found = store.search(SUITE) or {}
    found["studies"][0]["trials"][3] = trial(4, "complete", 0.5, "dd01")
    store.write_search(SUITE, found)
    track_suite(store, SUITE)
    after = named(store)
    assert after.keys() == before.keys()
    assert after["trial 4"].info.status == "FINISHED"
    assert after["trial 1"].info.run_id == before["trial 1"]["info"]["run_id"]
