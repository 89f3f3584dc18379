"""The commands round a running suite, on a tiny one that is trained once."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench.cli.main import app
from bench.errors import BenchError, DataError, StoreError, UnknownNameError
from bench.records import digest, write_json
from bench.report.drawing import Drawn
from bench.scheduling.classes import differences
from bench.scheduling.execute import InProcess
from bench.scheduling.plan import make_plan
from bench.scheduling.suite_run import run_plan
from bench.scheduling.verify import verify_run
from bench.store import Store
from bench.suite.suite import load_suite
from tests.scheduling.planned import eventually
from tests.tiny import SUITE, write_root, write_suite

ROOT = Path(__file__).resolve().parents[2]
SMALL = SUITE.replace("[lfw, ytf, cfp_fp]", "[lfw]").replace("epochs: 2", "epochs: 1")
FAILING = SMALL.replace("name: tiny", "name: failing").replace(
    "grid: {enhancement.strength: [0, 0.1]}", "grid: {recipe.optimiser.lr: [0.05, 1.0e+30]}"
).replace("  batch: 16", "  batch: 16\n  clip_gradient: null")  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Suite ``tiny`` of two runs, done, and ``failing``, one of whose two runs failed."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_CACHE", str(folder / "cache"))
        patch.setenv("COLUMNS", "80")
        root = write_root(folder / "root")
        for name, text in (("tiny", SMALL), ("failing", FAILING)):
            train(write_suite(folder / f"{name}.yaml", root, text), Store(folder / "trained"))
        yield folder


def train(file, store, overrides=(), **options):
    plan = make_plan(load_suite(file, overrides))
    return run_plan(plan, store, command="", executor=InProcess("cpu"), **options)


@pytest.fixture
def place(trained, tmp_path, monkeypatch):
    """A results folder of its own, with what was trained."""
    shutil.copytree(trained / "trained", tmp_path / "results")
    monkeypatch.chdir(tmp_path)
    # They take longer than all else here.
    monkeypatch.setattr("bench.report.write.drawing_figures", lambda *asked: nullcontext(lambda: Drawn((), {})))
    return tmp_path


@pytest.fixture
def store(place):
    return Store(place / "results")


def bench(*words, expect=0):
    done = CliRunner().invoke(app, list(map(str, words)))
    if isinstance(done.exception, BenchError):
        raise done.exception
    assert done.exit_code == expect, done.output + repr(done.exception)
    return done


def rows(*words):
    return json.loads(bench("status", *words, "--json").stdout)


def ids(store, suite, *, state="done"):
    return [run["run"] for run in rows(suite) if run["state"] == state]


def test_status_is_a_row_a_suite_a_row_a_run_and_fits_a_terminal(store, trained):
    found = {row["suite"]: row for row in rows()}
    assert (found["failing"]["done"], found["failing"]["failed"], found["failing"]["runs"]) == (1, 1, 2)
    assert found["tiny"]["interrupted"] == found["tiny"]["cancelled"] == 0
    assert "interrupted" not in bench("status").stdout
    one = bench("status", trained / "failing.yaml").stdout
    assert "failed (not finite): the loss or its gradient is not" in one
    assert "NonFiniteLossError" in one
    assert max(map(len, one.splitlines())) <= 80
    assert [run["attempts"] for run in rows("--runs")] == [1, 1, 1, 1]
    assert bench("status", "--runs").stdout.count("seed 0") == 5  # the failed one is also told beneath
    with pytest.raises(UnknownNameError, match="did you mean failing"):
        bench("status", "faling")


def test_cancelled_runs_are_left_out_told_as_rows_and_put_back_by_retry_without_the_file(store, trained):
    shutil.rmtree(store.root / "runs")
    done = bench("cancel", "tiny")
    assert "2  not running" in done.stdout
    assert "to undo: bench retry tiny" in done.stdout
    begun = []
    assert not train(trained / "tiny.yaml", store, begin=lambda *told: begun.append(told))
    assert begun == [({}, 0, 2)]
    assert "0 (1 cancelled)" in bench("report", "tiny").stdout
    table = csv.DictReader((store.suite_folder("tiny") / "report" / "table.csv").read_text().splitlines())
    assert [(row["cancelled"], row["missing"]) for row in table] == [("1", "0"), ("1", "0")]
    first = sorted(run["run"] for run in rows("tiny"))[0]
    assert "1 runs to do" in bench("retry", first, "--inline", "--no-track").stderr
    assert ids(store, "tiny") == [first]
    assert store.result(first)["weights_sha256"] == Store(trained / "trained").result(first)["weights_sha256"]


def test_retry_does_what_failed_again_counts_it_and_says_when_there_is_nothing(store):
    (failed,) = ids(store, "failing", state="failed")
    done = bench("retry", "failing", "--inline", "--no-track", expect=1)
    assert f"failed {failed}" in done.stderr
    assert rows(failed)[0]["attempts"] == 2
    kinds = [event["kind"] for event in store.events(failed)]
    assert kinds == ["started", "failed", "retry", "started", "failed"]
    assert "nothing to do again" in bench("retry", "tiny").stdout


def test_retry_without_the_packed_data_says_so_and_changes_nothing(store, monkeypatch):
    (failed,) = ids(store, "failing", state="failed")
    monkeypatch.setenv("BENCH_CACHE", str(store.root.parent / "empty"))
    with pytest.raises(DataError, match=r"training data .* is not in .*`bench run .*failing.yaml` packs it"):
        bench("retry", "failing", "--inline", "--no-track")
    assert len(store.events(failed)) == 2


def test_logs_are_readable_lines_and_safe_for_a_terminal(store):
    run = ids(store, "tiny")[0]
    store.log_path(run).write_text("\x1b[2Jgone\n")
    said = bench("logs", run[:8], "-f").stdout.splitlines()
    assert [line.split("  ")[1] for line in said[:2]] == ["started", "epoch 1/1"]
    assert "images/s" in said[1]
    assert said[-2].endswith("  done")
    assert said[-1] == "    \\x1b[2Jgone"
    with pytest.raises(UnknownNameError, match="no run 'zz'"):
        bench("logs", "zz")


def test_clean_shows_first_and_removes_when_told(store):
    path = store.checkpoint_folder(ids(store, "tiny")[0]) / "training.safetensors"
    path.write_bytes(bytes(2048))
    for words in (["clean"], ["clean", "--json"]):
        assert "checkpoint of a run that is trained" in " ".join(bench(*words).stdout.split())
        assert path.is_file()
    assert "1 removed, 2.0 KiB freed" in bench("clean", "--yes").stdout
    assert not path.exists()
    assert "nothing to remove" in bench("clean").stdout
    assert "nothing to remove" in bench("clean", "--cache").stdout


def tamper(store, run, change):
    """Changes a record of the run's LFW evaluation, and gives it the checksum of what it then says."""
    path = next(p for p in store.evaluation_folder(run).glob("*.json") if '"lfw"' in p.read_text())
    record = json.loads(path.read_text())
    del record["checksum"]
    change(record)
    write_json(path, {**record, "checksum": digest(record)})


def test_an_honest_run_is_verified_bit_for_bit_and_a_tampered_one_is_found(store):
    run, other = ids(store, "tiny")
    said = bench("verify-run", run[:6]).stdout
    assert "DIFFERENT" not in said
    assert "equal, bit for bit" in said
    assert not list(store.root.parent.glob("bench-verify*"))
    tamper(store, other, lambda record: record["metrics"].update(auc=record["metrics"]["auc"] + 1e-12))
    found = json.loads(bench("verify-run", other, "--json", expect=1).stdout)
    assert [item["what"] for item in found["compared"] if item["equal"] is False] == ["lfw, metrics"]
    assert found["compared"][0] == {
        "what": "weights that were kept", "values": 1, "equal": True, "largest": None, "note": "",
    }  # fmt: skip


def test_a_run_of_another_class_is_compared_to_a_tolerance_that_is_told(store, trained):
    run = ids(store, "tiny")[0]
    other_class(store, run)
    tamper(store, run, lambda record: record["metrics"].update(auc=record["metrics"]["auc"] - 0.01))
    said = " ".join(bench("verify-run", run).stdout.split())
    assert "within largest difference 0.01, at auc" in said
    assert "to 0.02 of the larger of 1 and a value's size" in said
    assert "torch 2.0.0 →" in said
    assert "NOT equal" in bench("verify-run", run, "--tolerance", "0.001", expect=1).stdout


def test_what_cannot_be_trained_again_is_said_in_one_line(store, tmp_path):
    run, other = ids(store, "tiny")
    with pytest.raises(StoreError, match="is not trained"):
        verify_run(store, ids(store, "failing", state="failed")[0], cache=tmp_path)
    with pytest.raises(DataError, match=r"is not in .*`bench plan FILE`"):
        verify_run(store, run, cache=tmp_path)
    store.write_config(other, store.config(run))
    with pytest.raises(StoreError, match=f"its config.json is of run {run}"):
        verify_run(store, other, cache=tmp_path)


def other_class(store, run):
    result = store.result(run)
    result["execution_class"]["torch"] = "2.0.0"
    store.write_result(run, result)


def test_same_class_trains_again_what_differs_keeps_it_aside_and_leaves_the_rest(store, trained):
    run, other = ids(store, "tiny")
    other_class(store, run)
    before = {key: store.result(key) for key in (run, other)}
    assert "2 execution classes are mixed here" in bench("report", "tiny").stdout
    events = []
    assert not train(trained / "tiny.yaml", store, same_class=True, on_event=events.append)
    told = [event for event in events if event["kind"] == "superseded"]
    torch = before[other]["execution_class"]["torch"]
    assert [(event["run"], event["differs"]) for event in told] == [(run, f"torch 2.0.0 → {torch}")]
    assert store.result(other) == before[other]
    assert store.result(run)["weights_sha256"] == before[run]["weights_sha256"]
    assert json.loads((store.root / told[0]["kept"] / "result.json").read_text())["execution_class"]["torch"] == "2.0.0"
    assert rows(run)[0]["attempts"] == 1
    assert "are mixed" not in bench("report", "tiny").stdout
    assert "superseded" in bench("clean", "--superseded").stdout


def test_classes_differ_by_the_keys_that_either_has():
    assert differences({"torch": "1", "device": "cpu"}, {"torch": "2", "device": "cpu", "cuda": "12"}) == (
        "torch 1 → 2, cuda None → 12"
    )
    assert differences({"device": "cpu"}, {"device": "cpu"}) == ""


def test_a_run_that_other_processes_train_stops_at_a_checkpoint_and_the_waiting_one_is_not_begun(store, trained):
    text = (
        SMALL.replace("name: tiny", "name: long").replace("epochs: 1", "epochs: 5000").replace("slots: 2", "slots: 1")
    )
    suite = write_suite(store.root.parent / "long.yaml", trained / "root", text)
    process = subprocess.Popen(
        [sys.executable, "-m", "bench", "run", str(suite), "--no-track"], start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        eventually(lambda: process.poll() is not None or ("long" in store.suite_names() and running()), seconds=120)
        assert process.poll() is None, process.stderr.read()
        (run,) = running()
        assert "1  running: each stops at a checkpoint" in bench("cancel", "long").stdout
        _, said = process.communicate(timeout=120)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    assert process.returncode == 0, said
    assert said.count(" cancelled ") == 2
    assert {row["suite"]: row["cancelled"] for row in rows()}["long"] == 2
    assert (store.checkpoint_folder(run) / "training.safetensors").is_file()
    assert store.events(run)[-1]["kind"] == "cancelled"
    assert [store.events(other["run"]) for other in rows("long") if other["run"] != run] == [[]]
    assert "0 runs to do, 0 done before, 2 cancelled" in bench("run", suite, "--no-track").stderr


def running():
    return [run["run"] for run in rows("long") if run["epoch"] and run["state"] == "running"]
