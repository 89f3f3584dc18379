"""A disk without space, and a folder that cannot be written: told in a line, and gone on from when it is mended."""

import re
import resource
from contextlib import contextmanager
from dataclasses import replace

import pytest

from bench.errors import StoreError
from bench.store import Store
from tests.faults.commands import nothing_left, weights
from tests.faults.in_process import attempt, bench_run, plan_of, the_run

EVALUATION = r"[0-9a-f]{16}\.(json|safetensors)"


@contextmanager
def space(size):
    """No file can grow beyond ``size`` bytes: the system itself refuses to write on. Works for every user."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def checkpoints(store):
    return {path.read_bytes() for path in (the_run(store) / "checkpoint").glob("training*")}


def largest(folder):
    return sorted({path.stat().st_size for path in folder.rglob("*") if path.is_file()})


@pytest.fixture(autouse=True)
def often(monkeypatch):
    monkeypatch.setattr("bench.training.loop.CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr("bench.training.loop.CHECKPOINT_SHARE", 1e9)


@pytest.mark.parametrize("stage", ["begun", "trained"])
def test_where_space_ends_the_run_fails_in_a_line_and_goes_on_when_there_is_some(stages, tmp_path, stage):
    """Space ends at half the size of each file that is to be written: each time another one is the first to fail."""
    done = the_run(Store(stages.place.folder / "done"))
    sizes = [0, *(size // 2 for size in largest(done if stage == "begun" else done / "evaluations"))]
    told, plan = set(), plan_of(stages.place)
    if stage == "trained":  # the suite's text makes a plan larger than any file of an evaluation
        plan = replace(plan, suite=replace(plan.suite, text="{}"))
    for turn, size in enumerate(sizes):
        store = stages.copy(stage, tmp_path / str(turn))
        before = checkpoints(store)
        with space(size):
            try:
                failed = attempt(plan, store)
            except StoreError as error:
                failed = {"": str(error)}
        for error in failed.values():
            assert error.endswith("File too large")
            assert "\n" not in error
            told.add(error.split(":")[0].rpartition("/")[2])
        assert failed
        assert not list(store.root.rglob(".*"))
        if stage == "begun":
            assert before & checkpoints(store), "a sound checkpoint of those that were there"
        assert bench_run(stages.place, store) == stages.table
        assert weights(store.root) == stages.weights
        nothing_left(store.root)
    assert "plan.json" in told
    written = ["plan.json", "training.safetensors"] if stage == "begun" else ["plan.json", EVALUATION]
    assert all(any(re.fullmatch(name, file) for file in told) for name in written), told


def test_commands_say_at_once_that_results_cannot_be_written(place):
    (place.folder / "file").write_text("")
    for results in (place.folder / "file" / "results", "/proc/results"):
        said = place.run("run", place.suite(), "--no-track", "--results", results, expect=1)
        assert f"error: {results}: cannot be written: " in said.stderr
        assert said.stderr.count("\n") == 1


@pytest.mark.usefixtures("impatient")  # a lease that could not be given back is this process's own
def test_results_that_become_unwritable_while_it_trains_are_told_and_gone_on_from(stages, tmp_path):
    store, away = stages.copy("begun", tmp_path / "results"), tmp_path / "away"

    def hear(event):
        if event["kind"] == "resumed":
            store.root.rename(away)
            store.root.write_text("not a folder")

    with pytest.raises(
        StoreError, match=r"(cannot be (read|written)|no lease can be taken): Not a directory"
    ) as caught:
        raise StoreError(*attempt(plan_of(stages.place), store, hear).values())
    assert "\n" not in str(caught.value)
    store.root.unlink()
    away.rename(store.root)
    assert bench_run(stages.place, store) == stages.table
    assert weights(store.root) == stages.weights
    nothing_left(store.root)
