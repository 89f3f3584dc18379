"""The MLflow mirror: what it holds, that it is never doubled, and that a broken tracker costs only a warning."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from bench import tracking
from bench.errors import StoreError
from bench.store import Store
from bench.tracking import TrackingError, TrackReport, track_quietly, track_suite
from bench.tracking.record import PARAM_LIMIT
from tests.tracking.made import (
    FAILED,
    OTHER,
    SUITE,
    TRAINED,
    all_runs,
    children,
    client,
    entry,
    fill,
    finish,
    parent,
    plan,
    store_with,
)  # fmt: skip


@pytest.fixture(scope="module")
def store(database: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """One store, its suite mirrored once."""
    store = store_with(database, tmp_path_factory.mktemp("results"))
    fill(store)
    store.write_plan(SUITE, plan(SUITE, entry(TRAINED, "0"), entry(OTHER, "0.1"), entry(FAILED, "1")))
    report = store.suite_folder(SUITE) / "report"
    (report / "figures").mkdir(parents=True)
    (report / "table.md").write_text("| a |\n")
    (report / "figures" / "angles.svg").write_text("<svg/>")
    assert track_suite(store, SUITE) == TrackReport(new=3)
    return store


def test_one_parent_and_a_child_per_run(store: Store) -> None:
    found, top = children(store, SUITE), parent(store, SUITE)
    assert set(found) == {TRAINED, OTHER, FAILED}
    assert {run.data.tags["mlflow.parentRunId"] for run in found.values()} == {top.info.run_id}
    assert found[OTHER].info.run_name == "arcface 0.1 seed 0"
    assert top.data.tags["bench.command"] == "bench run tiny.yaml"


def test_params_are_the_flat_config_cut_at_the_limit(store: Store) -> None:
    params = children(store, SUITE)[TRAINED].data.params
    assert params["margin.name"] == "arcface"
    assert params["margin.s"] == "64"
    assert params["enhancement"] == "null"
    assert params["enhancement.strength"] == "0"  # the axis
    assert params["recipe.milestones"] == "[1,2]"
    assert params["recipe.notes"] == "n" * PARAM_LIMIT
    assert children(store, SUITE)[OTHER].data.params["enhancement.gate.name"] == "hard"


def test_epochs_have_their_steps_and_times(store: Store) -> None:
    run = children(store, SUITE)[TRAINED]
    history = client(store).get_metric_history(run.info.run_id, "epoch.loss")
    told = [(point.step, point.value, point.timestamp) for point in history]
    assert told == [(1, 3.0, 1_700_000_001_500), (2, 1.5, 1_700_000_002_500)]
    assert run.data.metrics["validation.accuracy"] == pytest.approx(0.8)
    assert "epoch.term" not in run.data.metrics
    assert (run.info.start_time, run.info.end_time) == (1_699_999_999_500, 1_700_000_002_500)


def test_final_metrics_leave_out_what_was_not_measurable(store: Store) -> None:
    found = children(store, SUITE)
    assert found[TRAINED].data.metrics["lfw.accuracy"] == 0.75
    assert found[TRAINED].data.metrics["lfw.tar_at_far_1e-3"] == 0.25
    assert found[TRAINED].data.metrics["final.loss"] == 1.5
    assert "lfw.tar_at_far_1e-3" not in found[OTHER].data.metrics
    assert not any(name.startswith("ytf.") for name in found[TRAINED].data.metrics)


def test_tags_say_where_a_run_comes_from(store: Store) -> None:
    tags = children(store, SUITE)[TRAINED].data.tags
    expected = {
        "bench.train_digest": "feed",
        "bench.execution.device": "cpu",
        "bench.environment.commit": "c0ffee",
        "bench.status": "trained",
    }
    assert expected.items() <= tags.items()


def test_a_failed_run_is_failed_and_so_is_its_suite(store: Store) -> None:
    run = children(store, SUITE)[FAILED]
    assert run.info.status == "FAILED"
    assert run.data.tags["bench.error"] == "loss is NaN at step 3"
    assert run.data.metrics["epoch.loss"] == 9.0
    assert children(store, SUITE)[TRAINED].info.status == "FINISHED"
    assert parent(store, SUITE).info.status == "FAILED"


def test_the_report_lies_beside_the_store(store: Store) -> None:
    top = parent(store, SUITE)
    names = {item.path for item in client(store).list_artifacts(top.info.run_id, "report")}
    assert names == {"report/table.md", "report/figures"}
    assert top.info.artifact_uri.startswith((store.root / "mlflow-artifacts").as_uri())


def test_a_second_call_adds_nothing(store: Store) -> None:
    before = [run.to_dictionary() for run in all_runs(store, SUITE)]
    assert track_suite(store, SUITE) == TrackReport(skipped=3)
    assert [run.to_dictionary() for run in all_runs(store, SUITE)] == before


def test_only_what_changed_is_logged_anew(store: Store) -> None:
    name = "changing"
    for run in ("dd01", "dd02"):
        finish(store, run)
    store.write_failure("dd03", {"error": "out of memory", "traceback": "", "step": None})
    store.write_plan(name, plan(name, *(entry(run, "0") for run in ("dd01", "dd02", "dd03", "dd04"))))
    assert track_suite(store, name) == TrackReport(new=3, pending=1)
    assert parent(store, name).info.status == "RUNNING"

    finish(store, "dd03", accuracy=0.5)
    finish(store, "dd04")
    assert track_suite(store, name) == TrackReport(new=1, updated=1, skipped=2)
    run = children(store, name)["dd03"]
    assert (run.info.status, run.data.metrics["lfw.accuracy"]) == ("FINISHED", 0.5)
    assert "bench.error" not in run.data.tags
    assert parent(store, name).info.status == "FINISHED"


def test_a_cancelled_run_is_killed_and_nothing_is_waited_for(store: Store) -> None:
    name = "cancelled"
    store.cancel("ff01")
    store.write_plan(name, plan(name, entry("ff01", "0")))
    assert track_suite(store, name) == TrackReport(new=1)
    run = children(store, name)["ff01"]
    assert (run.info.status, run.data.tags["bench.status"]) == ("KILLED", "cancelled")
    assert parent(store, name).info.status == "FINISHED"


def test_a_mirror_cut_short_is_made_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow import MlflowClient

    name = "cut"
    finish(store, "ee01")
    store.write_plan(name, plan(name, entry("ee01", "0")))

    def broken(*_: object, **__: object) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "set_terminated", broken)
        with pytest.raises(TrackingError, match="disk full"):
            track_suite(store, name)
    assert track_suite(store, name) == TrackReport(updated=1)
    assert children(store, name)["ee01"].info.status == "FINISHED"
    assert track_suite(store, name) == TrackReport(skipped=1)


def test_a_changed_report_is_uploaded_again(store: Store) -> None:
    name = "reported"
    finish(store, "ff01")
    store.write_plan(name, plan(name, entry("ff01", "0")))
    track_suite(store, name)
    page = store.suite_folder(name) / "report" / "page.html"
    page.parent.mkdir()
    for text in ("one", "two"):
        page.write_text(text)
        assert track_suite(store, name) == TrackReport(skipped=1)
        local = Path(client(store).download_artifacts(parent(store, name).info.run_id, "report/page.html"))
        assert local.read_text() == text


def test_a_suite_deleted_in_mlflow_comes_back(store: Store) -> None:
    name = "deleted"
    finish(store, "ab01")
    store.write_plan(name, plan(name, entry("ab01", "0")))
    track_suite(store, name)
    client(store).delete_experiment(client(store).get_experiment_by_name(name).experiment_id)
    assert track_quietly(store, name) is None
    assert set(children(store, name)) == {"ab01"}


@pytest.mark.parametrize(
    "uri",
    ["nonsense://somewhere", "http://user:secret@127.0.0.1:9", "sqlite:////dev/null/m.db", "mysql://u:secret@h/d"],
)
def test_a_broken_tracker_is_one_line_without_passwords(store: Store, uri: str) -> None:
    with pytest.raises(TrackingError, match="MLflow at") as found:
        track_suite(store, SUITE, uri=uri)
    assert "\n" not in str(found.value)
    assert "secret" not in str(found.value)


def test_a_tracker_in_use_is_a_warning(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking, "QUIET_SECONDS", 0.05)
    (store.root / "mlflow.db").touch()
    with FileLock(store.root / ".mlflow.lock"):
        warning = track_quietly(store, SUITE)
    assert warning is not None
    assert ".mlflow.lock" in warning


def test_an_unexpected_error_is_a_warning(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def bug(*_: object) -> None:
        raise KeyError

    monkeypatch.setattr(tracking, "_mirror", bug)
    (store.root / "mlflow.db").touch()
    assert "KeyError" in (track_quietly(store, SUITE) or "")


def test_an_unknown_suite_is_named(store: Store) -> None:
    with pytest.raises(StoreError, match="no suite called 'tinny'"):
        track_suite(store, "tinny")


def test_a_broken_database_is_one_line_and_mlflow_prints_nothing(
    store: Store, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    broken = Store(tmp_path)
    finish(broken, "ab02")
    broken.write_plan(SUITE, plan(SUITE, entry("ab02", "0")))
    (tmp_path / "mlflow.db").write_text("this is no database, but long enough to look like a file of one" * 20)
    warning = track_quietly(broken, SUITE)
    assert "not a database" in (warning or "")
    assert f"bench track {SUITE}" in (warning or "")
    assert "\n" not in (warning or "")
    assert capfd.readouterr() == ("", "")


def test_mlflow_stays_quiet(store: Store) -> None:
    assert not logging.getLogger("mlflow").isEnabledFor(logging.INFO)
    assert not logging.getLogger("alembic").isEnabledFor(logging.INFO)


def test_importing_the_module_does_not_import_mlflow() -> None:
    code = "import sys, bench.tracking; sys.exit(any(name in sys.modules for name in ('mlflow', 'torch')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
