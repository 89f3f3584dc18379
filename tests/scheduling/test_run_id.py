"""What a run's id depends on."""

from pathlib import Path

import pytest

from bench.data.resolve import PreparedData
from bench.errors import SuiteError
from bench.scheduling.plan import PlannedRun, plan_run
from bench.scheduling.suite_run import make_jobs
from bench.store import Store
from bench.suite.suite import load_suite

SUITE = """\
data: {root: synthetic, pixels: 32, protocols: [lfw]}
backbone: {name: small_cnn, embedding: 64}
margin: {name: arcface}
recipe: {epochs: 2}
"""


def planned(folder: Path, more: str = "", *overrides: str) -> PlannedRun:
    path = folder / "suite.yaml"
    path.write_text(SUITE + more)
    data = PreparedData("t" * 16, 1000, 10, {"lfw": "l" * 16}, {})
    suite = load_suite(path, overrides)
    return plan_run(suite.cells[0].cell, 0, data, {}, suite.executor.processes)


def run_id(folder: Path, more: str = "", *overrides: str) -> str:
    return planned(folder, more, *overrides).run


def test_the_share_and_the_block_of_the_classifier_are_in_the_run_id(tmp_path):
    ids = [
        run_id(tmp_path, f"classifier: {block}\n")
        for block in ("{share: 0.1}", "{share: 0.2}", "{block: 100}", "{share: 0.1, block: 100}")
    ]
    plain = run_id(tmp_path)
    assert len({plain, *ids}) == 5
    assert run_id(tmp_path, "classifier: {share: 1, block: null}\n") == plain


def test_a_run_of_before_there_were_micro_batches_and_averages_keeps_its_id(tmp_path):
    """Only a rise of SEMANTICS may change this id."""
    assert run_id(tmp_path) == "6ba0c934f03b12c7"
    assert not {"micro_batch", "ema"} & planned(tmp_path).config["recipe"].keys()


def test_micro_batch_average_and_precision_are_in_the_run_id(tmp_path):
    asked = ("micro_batch=32", "micro_batch=64", "ema=0.9", "ema=0.99", "precision=float16", "precision=bfloat16")
    ids = [run_id(tmp_path, "", f"recipe.{field}") for field in asked]
    plain = run_id(tmp_path)
    assert len({plain, *ids}) == 7
    assert planned(tmp_path, "", "recipe.micro_batch=32", "recipe.ema=0.9").config["recipe"].items() >= {
        ("micro_batch", 32), ("ema", 0.9)
    }  # fmt: skip


def test_a_micro_batch_of_the_whole_batch_is_none(tmp_path):
    assert run_id(tmp_path, "", "recipe.micro_batch=128") == run_id(tmp_path)


def test_the_number_of_processes_is_in_the_id_only_where_each_normalises_its_own(tmp_path):
    plain, own = run_id(tmp_path), "recipe.bn=per_replica"
    two, four = "executor.processes=2", "executor.processes=4"
    assert run_id(tmp_path, "", own) == run_id(tmp_path, "", two) == run_id(tmp_path, "", four) == plain
    ids = {run_id(tmp_path, "", own, processes) for processes in (two, four)}
    assert len({plain, *ids}) == 3
    recipe = planned(tmp_path, "", own, two).config["recipe"]
    assert (recipe["bn"], recipe["replicas"]) == ("per_replica", 2)
    assert not {"bn", "replicas"} & planned(tmp_path, "", two).config["recipe"].keys()


def test_a_job_tells_how_many_processes_train_its_run(tmp_path):
    run = planned(tmp_path, "", "executor.processes=2")
    assert [job.processes for job in make_jobs([run], Store(tmp_path))] == [2]


def test_a_batch_that_the_processes_of_a_run_cannot_share_is_a_mistake_of_the_suite(tmp_path):
    with pytest.raises(SuiteError, match=r"recipe\.batch: must be a multiple of executor\.processes \(3\), found 128"):
        planned(tmp_path, "", "executor.processes=3")
