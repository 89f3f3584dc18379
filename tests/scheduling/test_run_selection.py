"""Suites and runs by name, by file and by the beginning of an id."""

import pytest

from bench.errors import BenchError, StoreError, UnknownNameError
from bench.scheduling.selection import asked, only_run, planned, selected, suite_name
from bench.store import Store
from tests.scheduling.planned import ids, write_suite_plan


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path)
    write_suite_plan(store, "one", ids(3))
    write_suite_plan(store, "two", ids(3, first=2))
    return store


def test_a_suite_is_meant_by_its_name_and_by_its_file_whatever_that_is_called(store, tmp_path):
    file = tmp_path / "other.yaml"
    file.write_text("name: two\n")
    assert [run.run for run in selected(store, ["one"])] == ids(3)
    assert {run.suite for run in selected(store, [str(file)])} == {"two"}
    assert suite_name(str(tmp_path / "gone" / "one.yml")) == "one"


def test_a_run_is_meant_as_every_suite_asks_for_it_and_nothing_is_meant_twice(store):
    shared = ids(3)[2]
    assert [run.suite for run in selected(store, [shared])] == ["one", "two"]
    assert len(selected(store, ["one", "two", shared, "one"])) == len(asked(store)) == 6


def test_what_is_unknown_or_means_several_runs_is_refused_with_what_is_near(store):
    with pytest.raises(UnknownNameError, match="no suite or run 'onee'; did you mean one"):
        selected(store, ["onee"])
    with pytest.raises(BenchError, match="2 runs begin with ab: ab1, ab2"):
        only_run(["ab1", "ab2", "ac"], "ab", store.root)
    with pytest.raises(UnknownNameError):
        only_run(["ab1"], "", store.root)
    assert only_run(["ab", "ab1"], "ab", store.root) == "ab"


def test_a_plan_of_an_older_version_is_said_to_need_its_file(store):
    plan = store.plan("one")
    for run in plan["runs"]:
        del run["options"]
    store.write_plan("one", plan)
    with pytest.raises(StoreError, match=r"older version .* use `bench run suites/one.yaml`"):
        dict(planned(selected(store, ["one"]), store))
    assert [run.run for run in dict(planned(selected(store, ["two"]), store))["two"]] == ids(3, first=2)
