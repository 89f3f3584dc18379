"""A benchmark run is one MLflow run, however many suites and digests plan it; every parent says where it is."""

from pathlib import Path
from typing import Any

import pytest

from bench.store import Store
from bench.tracking import TrackReport, track_suite
from tests.tracking.made import all_runs, client, entry, finish, plan, store_with


@pytest.fixture
def store(database: Path, tmp_path: Path) -> Store:
    store = store_with(database, tmp_path / "results")
    for run in ("aa01", "aa02", "aa03"):
        finish(store, run)
    store.write_plan("first", plan("first", entry("aa01", "0"), entry("aa02", "0.1")))
    store.write_plan("second", plan("second", entry("aa02", "0.1"), entry("aa03", "1")))
    return store


def by_run(store: Store, name: str) -> dict[str, Any]:
    return {run.data.tags["bench.run"]: run for run in all_runs(store, name) if "bench.run" in run.data.tags}


def tops(store: Store, name: str) -> dict[str, Any]:
    """Digest of a suite's file → its parent."""
    return {run.data.tags["bench.plan"]: run for run in all_runs(store, name) if "bench.plan" in run.data.tags}


def test_a_run_of_two_suites_stands_in_the_first_and_both_refer_to_it(store: Store) -> None:
    assert track_suite(store, "first") == TrackReport(new=2)
    assert track_suite(store, "second") == TrackReport(new=1, skipped=1)
    first, second = by_run(store, "first"), by_run(store, "second")
    assert (set(first), set(second)) == ({"aa01", "aa02"}, {"aa03"})
    shared = first["aa02"]
    assert shared.data.tags["bench.suite"] == "first"
    assert shared.data.tags["bench.suites"] == "first, second"
    assert shared.data.tags["mlflow.parentRunId"] == tops(store, "first")["d1"].info.run_id
    assert tops(store, "second")["d1"].data.tags["bench.run.aa02"] == shared.info.run_id
    for name in ("first", "second"):
        assert track_suite(store, name) == TrackReport(skipped=2)


@pytest.mark.parametrize("tracked", ["first", "second"])
def test_a_shared_run_that_changed_is_replaced_once_and_is_still_referred_to(store: Store, tracked: str) -> None:
    track_suite(store, "first")
    track_suite(store, "second")
    before = by_run(store, "first")["aa02"].info.run_id
    finish(store, "aa02", accuracy=0.5)
    assert track_suite(store, tracked) == TrackReport(updated=1, skipped=1)
    shared = by_run(store, "first")["aa02"]
    assert shared.info.run_id != before
    assert tops(store, "second")["d1"].data.tags["bench.run.aa02"] == shared.info.run_id
    assert track_suite(store, "first") == track_suite(store, "second") == TrackReport(skipped=2)


def test_what_another_suite_tests_otherwise_is_told_beside(store: Store) -> None:
    other = {**entry("aa02", "0.1"), "evaluations": {"lfw": "e9", "agedb_30": "e8"}}
    store.write_plan("second", plan("second", other))
    for key, value in (("e9", 0.25), ("e8", 0.125)):
        store.write_evaluation("aa02", key, {"metrics": {"accuracy": value}}, {})
    track_suite(store, "first")
    metrics = by_run(store, "first")["aa02"].data.metrics
    assert (metrics["lfw.accuracy"], metrics["second/lfw.accuracy"], metrics["agedb_30.accuracy"]) == (
        0.75,
        0.25,
        0.125,
    )
    assert track_suite(store, "second") == TrackReport(skipped=1)


def test_another_digest_has_a_parent_of_its_own_which_takes_over_what_it_plans(store: Store) -> None:
    track_suite(store, "first")
    moved = by_run(store, "first")["aa02"].info.run_id
    edited = {**plan("first", entry("aa02", "0.1"), entry("aa03", "1")), "digest": "d2"}
    store.write_plan("first", edited)
    assert track_suite(store, "first") == TrackReport(new=1, skipped=1)
    above, runs = tops(store, "first"), by_run(store, "first")
    assert set(above) == {"d1", "d2"}
    assert runs["aa01"].data.tags["mlflow.parentRunId"] == above["d1"].info.run_id
    assert runs["aa02"].data.tags["mlflow.parentRunId"] == above["d2"].info.run_id
    assert above["d1"].data.tags["bench.run.aa02"] == moved == runs["aa02"].info.run_id


def test_each_other_command_is_a_tag_of_the_parent(store: Store) -> None:
    told = plan("first", entry("aa01", "0"))
    for command in ("run a", "run b postgresql://me:hush@db/x", "run a"):
        store.write_plan("first", {**told, "command": command})
        track_suite(store, "first")
    (above,) = tops(store, "first").values()
    commands = {key: value for key, value in above.data.tags.items() if key.startswith("bench.command")}
    assert commands == {
        "bench.command": "run a",
        "bench.command.1": "run a",
        "bench.command.2": "run b postgresql://***@db/x",
    }


def test_a_double_is_deleted(store: Store) -> None:
    track_suite(store, "first")
    mlflow, run = client(store), by_run(store, "first")["aa01"]
    mlflow.create_run(run.info.experiment_id, tags={"bench.run": "aa01"})
    assert track_suite(store, "first") == TrackReport(skipped=2)
    assert [r.info.run_id for r in all_runs(store, "first") if r.data.tags.get("bench.run") == "aa01"] == [
        run.info.run_id
    ]
