"""How a plan is written and read again."""

import json

import pytest

from bench.errors import StoreError
from bench.records import write_json
from bench.store import Store
from tests.report.fabricated import planned_run

RUNS = [planned_run("small_cnn", margin, 0.1, seed, protocols=("lfw",)) for margin in ("a", "b") for seed in range(3)]
PLAN = {
    "schema": 1,
    "suite": "made_up",
    "title": "λ",
    "axes": ["margin"],
    "notes": [],
    "facts": {"a": {}},
    "runs": RUNS,
}


def stored(tmp_path, plan):
    store = Store(tmp_path)
    store.write_plan("made_up", plan)
    return store.plan("made_up"), (store.suite_folder("made_up") / "plan.json").read_text()


def test_a_plan_is_read_as_it_was_written_and_a_configuration_stands_there_once_a_cell(tmp_path):
    found, text = stored(tmp_path, PLAN)
    assert found == {**PLAN, "schema": 2}
    assert text.count('"margin_gradient"') == 2
    assert json.loads(text)["schema"] == 2


@pytest.mark.parametrize("change", [
    {"axes": {"margin": "another"}}, {"new": 3}, {"baseline": "x"}, {"config": {**RUNS[1]["config"], "pixels": 9}},
    {"config": {key: value for key, value in RUNS[1]["config"].items() if key != "seed"}},
    {"config": {**RUNS[1]["config"], "seed": 5}},
])  # fmt: skip
def test_what_one_run_of_a_cell_has_otherwise_is_kept(tmp_path, change):
    runs = [RUNS[0], {**RUNS[1], **change}, *RUNS[2:]]
    assert stored(tmp_path, {**PLAN, "runs": runs})[0]["runs"] == runs
    assert stored(tmp_path, {**PLAN, "runs": runs[1:]})[0]["runs"] == runs[1:]


def test_a_plan_of_an_older_version_is_read(tmp_path):
    store = Store(tmp_path)
    write_json(store.suite_folder("made_up") / "plan.json", PLAN)
    assert store.plan("made_up") == PLAN


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"schema": 3}, "has schema 3, this version reads up to 2"), ({"cells": {}}, "cannot be read")],
)
def test_a_plan_of_a_newer_version_or_without_its_cells_is_an_error_in_one_line(tmp_path, change, reason):
    _, text = stored(tmp_path, PLAN)
    write_json(tmp_path / "suites" / "made_up" / "plan.json", {**json.loads(text), **change})
    with pytest.raises(StoreError, match=reason) as caught:
        Store(tmp_path).plan("made_up")
    assert "\n" not in str(caught.value)
