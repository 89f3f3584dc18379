"""One small suite through the command line: train, evaluate, report; again; and what goes wrong on the way."""

import csv
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.tiny import SUITE, write_root, write_suite

HERE = {"PYTHONPATH": str(Path(__file__).parents[2])}  # what is tested, whatever else is installed


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("place")
    return folder, write_root(folder / "root"), folder / "cache"


def bench(place, *words, expect=(0,)):
    folder, _, cache = place
    environment = {"PATH": "", "BENCH_CACHE": str(cache), "HOME": str(folder), "OMP_NUM_THREADS": "1", **HERE}
    done = subprocess.run(
        [sys.executable, "-m", "bench", *map(str, words)], cwd=folder, env=environment,
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode in expect, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def ran(place):
    folder, root, _ = place
    suite = write_suite(folder / "tiny.yaml", root)
    return suite, bench(place, "run", suite, "--no-track")


def weights(place, results="results"):
    paths = sorted((place[0] / results / "runs").glob("*/result.json"))
    return {path.parent.name: json.loads(path.read_text())["weights_sha256"] for path in paths}


def test_the_table_is_printed_and_every_file_of_the_report_is_there(place, ran):
    report = place[0] / "results" / "suites" / "tiny" / "report"
    names = {path.name for path in report.iterdir()}
    assert {"table.md", "table.tex", "table.csv", "report.html"} <= names
    assert "toprule" in (report / "table.tex").read_text()
    rows = list(csv.DictReader((report / "table.csv").read_text().splitlines()))
    assert len(rows) == 2
    page = (report / "report.html").read_text()
    assert 'src="http' not in page
    assert "LFW" in ran[1].stdout
    assert len(weights(place)) == 2


def test_again_trains_nothing_and_says_so(place, ran):
    before = weights(place)
    again = bench(place, "run", ran[0], "--no-track")
    assert "0 runs to do, 2 done before" in again.stderr
    assert weights(place) == before
    assert again.stdout.splitlines()[0] == ran[1].stdout.splitlines()[0]


def test_only_what_is_missing_is_trained_and_gives_the_same_bits(place, ran):
    before = weights(place)
    shutil.rmtree(place[0] / "results" / "runs" / sorted(before)[0])
    again = bench(place, "run", ran[0], "--no-track")
    assert "1 runs to do, 1 done before" in again.stderr
    assert weights(place) == before


def test_a_fresh_process_another_slot_order_and_another_results_folder_give_the_same_bits(place, ran):
    grid = "grid.enhancement.strength=[0.1, 0]"
    bench(place, "run", ran[0], "--no-track", "--results", "other", "--set", grid, "--set", "executor.slots=1")
    assert weights(place, "other") == weights(place)
    bench(place, "run", ran[0], "--no-track", "--results", "third", "--set", grid, "--set", "seeds=[1]")
    assert not set(weights(place, "third").values()) & set(weights(place).values())


def test_another_protocol_evaluates_and_trains_nothing(place, ran):
    more = bench(place, "run", ran[0], "--no-track", "--set", "data.protocols=[lfw, cfp_ff]", "--set", "name=more")
    assert "2 runs to do" in more.stderr
    for run in weights(place):
        events = (place[0] / "results" / "runs" / run / "events.jsonl").read_text().splitlines()
        kinds = [json.loads(line) for line in events]
        assert sum(e["kind"] == "epoch" for e in kinds) == 2
        assert any(e.get("protocol") == "cfp_ff" for e in kinds)


def test_plan_and_status_say_what_is_done(place, ran):
    rows = json.loads(bench(place, "plan", ran[0], "--json").stdout)
    assert [row["state"] for row in rows] == ["done", "done"]
    status = {row["suite"]: row for row in json.loads(bench(place, "status", "--json").stdout)}
    assert status["tiny"]["done"] == 2
    bench(place, "report", "tiny")
    assert "no suite called 'tiny.trials'" in bench(place, "report", "tiny.trials", expect=(1,)).stderr


def test_a_failing_run_is_a_row_the_rest_goes_on_and_the_exit_code_says_so(place):
    folder, root, _ = place
    text = SUITE.replace("grid: {enhancement.strength: [0, 0.1]}", "grid: {recipe.optimiser.lr: [0.05, 1.0e+30]}")
    text = text.replace("name: tiny", "name: failing").replace("  batch: 16", "  batch: 16\n  clip_gradient: null")
    done = bench(place, "run", write_suite(folder / "failing.yaml", root, text), "--no-track", expect=(1,))
    assert "not finite at step" in done.stderr
    report = folder / "results" / "suites" / "failing" / "report"
    assert "not finite at step" in (report / "report.html").read_text()
    status = {row["suite"]: row for row in json.loads(bench(place, "status", "--json").stdout)}
    assert (status["failing"]["done"], status["failing"]["failed"]) == (1, 1)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("data.root=nowhere", "nowhere is not a folder"),
        ("margin.name=arcfase", "did you mean 'arcface'?"),
        ("recipe.epoch=3", "did you mean 'epochs'?"),
        ("executor.device=tpu", "found 'tpu'"),
        ("data.train.path=missing", "missing"),
        ("data.validation.identities=0.05", "holds out 1 of 12"),
        ("recipe.batch=500", "larger than the training set (96 images)"),
    ],
)
def test_mistakes_are_one_clear_line_before_anything_trains(place, ran, override, words):
    command = ["run", ran[0], "--no-track", "--results", "never", "--set", override]
    done = bench(place, *command, expect=(1, 2))
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not (place[0] / "never" / "runs").exists()


def test_asking_for_cuda_where_there_is_none_is_one_line(place, ran):
    words = ["run", ran[0], "--no-track", "--results", "cuda", "--set", "executor.device=cuda"]
    done = bench(place, *words, expect=(1,))
    assert "no GPU is visible" in done.stderr


@pytest.mark.parametrize("what", ["margins", "enhancements", "backbones", "protocols"])
def test_lists_and_schema_need_no_data(place, what):
    assert json.loads(bench(place, "list", what, "--json").stdout)
    assert "properties" in json.loads(bench(place, "schema").stdout)


def test_two_commands_at_once_train_every_run_once_and_both_print_the_whole_table(place, ran):
    folder, root, cache = place
    text = SUITE.replace("name: tiny", "name: twice").replace("[0, 0.1]", "[0, 0.1, 0.2, 0.3]")
    suite = write_suite(folder / "twice.yaml", root, text.replace("epochs: 2", "epochs: 6"))
    words = [sys.executable, "-m", "bench", "run", str(suite), "--no-track", "--results", "shared"]
    environment = {"PATH": "", "BENCH_CACHE": str(cache), "HOME": str(folder), "OMP_NUM_THREADS": "1", **HERE}
    both = [
        subprocess.Popen(words, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [process.communicate(timeout=240) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert said[0][0].splitlines()[:8] == said[1][0].splitlines()[:8]
    for path in (folder / "shared" / "runs").glob("*/events.jsonl"):
        told = [json.loads(line) for line in path.read_text().splitlines()]
        assert [event["epoch"] for event in told if event["kind"] == "epoch"] == [1, 2, 3, 4, 5, 6]
        assert len([event for event in told if event["kind"] == "evaluated"]) == 4
    bench(place, "run", suite, "--no-track", "--results", "alone")
    assert weights(place, "shared") == weights(place, "alone")
    assert len(weights(place, "alone")) == 4


def test_two_suites_at_once_train_a_run_that_both_have_once_and_both_report(place, ran):
    folder, root, _ = place
    one = write_suite(folder / "one.yaml", root, SUITE.replace("name: tiny", "name: one"))
    text = SUITE.replace("name: tiny", "name: other").replace("[0, 0.1]", "[0, 0.2]").replace("lfw, ytf, ", "")
    other = write_suite(folder / "other.yaml", root, text.replace("slots: 2", "slots: 2, priority: 1"))
    done = bench(place, "run", one, other, "--no-track", "--results", "together")
    assert "3 runs to do, 0 done before" in done.stderr
    assert "other: 0, seed 0" in done.stderr
    for name in ("one", "other"):
        assert (folder / "together" / "suites" / name / "report" / "report.html").is_file()
    both = weights(place, "together")
    assert len(both) == 3
    alone = {run: found for run, found in weights(place).items() if run in both}  # other tests leave others there
    assert len(alone) == 2
    assert alone.items() <= both.items()
    again = bench(place, "run", one, other, "--no-track", "--results", "together")
    assert "0 runs to do, 3 done before" in again.stderr


def test_an_interrupt_checkpoints_and_the_same_command_goes_on_to_the_same_bits(place, ran):
    folder, root, cache = place
    text = SUITE.replace("name: tiny", "name: long").replace("epochs: 2", "epochs: 60")
    suite = write_suite(folder / "long.yaml", root, text)
    words = ["run", str(suite), "--no-track", "--results", "stopped"]
    environment = {"PATH": "", "BENCH_CACHE": str(cache), "HOME": str(folder), **HERE}
    process = subprocess.Popen(
        [sys.executable, "-m", "bench", *words],
        cwd=folder,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        # A shell that runs the tests in the background has them, and all that they start, ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    events = folder / "stopped" / "runs"
    deadline = time.monotonic() + 120
    while not any('"epoch"' in path.read_text() for path in events.glob("*/events.jsonl")):
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "run the same command again to go on" in said
    assert not list(events.glob("*/result.json"))
    bench(place, *words)
    told = [json.loads(line) for path in events.glob("*/events.jsonl") for line in path.read_text().splitlines()]
    assert [event for event in told if event["kind"] == "resumed" and event["step"] + event["epoch"] > 1]
    bench(place, "run", suite, "--no-track", "--results", "straight")
    assert weights(place, "stopped") == weights(place, "straight")
