"""Results folders that earlier versions wrote stay readable, and are not rewritten; newer ones are refused."""

import csv
import json
import shutil
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from bench.cli.main import app
from bench.errors import BenchError, StoreError
from bench.records import SCHEMA, digest
from bench.report.results import load_results, report_data
from bench.report.table import build_table
from bench.report.writers import to_csv
from bench.scheduling.evaluate_run import load_trained
from bench.scheduling.execute import InProcess
from bench.scheduling.plan import make_plan
from bench.scheduling.suite_run import run_plan
from bench.store import Store
from bench.store_plan import SCHEMA as PLAN_SCHEMA
from bench.suite.suite import load_suite
from tests.faults.commands import SUITE

ASSETS = Path(__file__).parents[1] / "assets" / "stores"
OLD = sorted(path.name for path in ASSETS.iterdir() if path.is_dir())
old_ones = pytest.mark.parametrize("old", OLD)


def contents(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture
def store(tmp_path, old):
    return Store(shutil.copytree(ASSETS / old, tmp_path / "results"))


@old_ones
def test_every_record_of_an_older_version_is_read_and_none_is_rewritten(store, old):
    before = contents(store.root)
    frame = load_results(store, store.suite_names())
    assert sorted(frame["status"]) == ["done", "done", "failed", "failed"]
    assert all("not finite at step" in error for error in frame["error"].dropna())
    for plan in store.plans():
        for run in plan["runs"]:
            assert store.config(run["run"]) == run["config"]
            assert store.events(run["run"])
            trained = store.result(run["run"])
            assert (trained is None) == (plan["suite"] == "failed")
            for key in run["evaluations"].values() if trained else ():
                assert store.evaluation(run["run"], key)["metrics"]
                assert store.evaluation_arrays(run["run"], key)
    assert contents(store.root) == before


@old_ones
def test_the_table_of_an_older_version_has_the_same_numbers(store, old):
    table = store.suite_folder("old") / "report" / "table.csv"
    old_rows = list(csv.DictReader(table.read_text().splitlines()))
    new_rows = list(csv.DictReader(to_csv(build_table(report_data(store, "old"))).splitlines()))
    assert len(old_rows) == len(new_rows) == 2
    for was, now in zip(old_rows, new_rows, strict=True):
        assert {key: now.get(key) for key in was} == was


@old_ones
@pytest.mark.parametrize("words", [["status", "--json"], ["report", "old", "failed"]])
def test_commands_read_results_of_an_older_version(store, words):
    before = contents(store.root / "runs")
    said = CliRunner().invoke(app, [*words, "--results", str(store.root)], catch_exceptions=False)
    assert said.exit_code == 0
    if words[0] == "status":
        counts = {row["suite"]: (row["done"], row["failed"]) for row in json.loads(said.stdout)}
        assert counts == {"old": (2, 0), "failed": (0, 2)}
    assert contents(store.root / "runs") == before


@old_ones
def test_the_same_suite_runs_beside_results_of_an_older_version_and_leaves_them_as_they_are(store, old, place):
    before = contents(store.root)
    plan = make_plan(load_suite(place.suite(SUITE), []), cache=place.cache)
    assert {run.state(store) for run in plan.runs} == {"to train"}
    run_plan(plan, store, command="", executor=InProcess())
    assert {run.state(store) for run in plan.runs} == {"done"}
    now = contents(store.root)
    assert {path: now[path] for path in before} == before


@pytest.mark.parametrize("old", ["part1", "part2"])
def test_a_network_that_cannot_be_built_any_more_is_one_line(store, old):
    (run,) = [run for run in store.run_ids() if (store.result(run) or {}).get("config", {}).get("enhancement")]
    with pytest.raises(BenchError, match="an older version trained it") as caught:
        load_trained(store, run, store.config(run), torch.device("cpu"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("what", ["result", "evaluation", "failure", "plan"])
@pytest.mark.parametrize("newer", [True, False])
@pytest.mark.parametrize("old", OLD[-1:])
def test_a_record_of_a_newer_version_is_refused_and_left_as_it_is(store, what, newer):
    most = PLAN_SCHEMA if what == "plan" else SCHEMA
    schema = most + 1 if newer else "two"
    (plan,) = [plan for plan in store.plans() if plan["suite"] == ("failed" if what == "failure" else "old")]
    run = plan["runs"][0]
    folder, evaluation = store.run_folder(run["run"]), run["evaluations"]["lfw"]
    path = {
        "result": folder / "result.json",
        "failure": folder / "failure.json",
        "evaluation": folder / "evaluations" / f"{evaluation}.json",
        "plan": store.suite_folder(plan["suite"]) / "plan.json",
    }[what]
    body = {key: value for key, value in json.loads(path.read_bytes()).items() if key != "checksum"} | {
        "schema": schema
    }
    path.write_text(json.dumps({**body, "checksum": digest(body)}))
    before = contents(store.root)
    read = {
        "result": lambda: store.result(run["run"]),
        "failure": lambda: store.failure(run["run"]),
        "evaluation": lambda: store.evaluation(run["run"], evaluation),
        "plan": lambda: store.plan(plan["suite"]),
    }[what]
    with pytest.raises(StoreError, match=rf"{path.name}: has schema {schema}, this version reads up to {most}"):
        read()
    assert contents(store.root) == before
