"""What a power cut may leave of each file: the next `bench run` ends with the same table, and mends it."""

import shutil
from contextlib import suppress

import pytest

from bench.errors import DataError, StoreError
from bench.report.results import report_data
from bench.report.write import write_report
from bench.store import Store
from tests.faults.commands import Place, events, nothing_left, weights
from tests.faults.in_process import bench_run, the_run


def middle(content):
    return len(content) // 2


DAMAGES = {
    "empty": lambda content: b"",
    "half": lambda content: content[: middle(content)],
    "all but a byte": lambda content: content.rstrip(b"\n")[:-1],
    "zeros": lambda content: bytes(len(content)),
    "garbage in the midst": lambda content: (
        content[: middle(content)] + b"\xff\x00\x17~" + content[middle(content) + 4 :]
    ),
}
pytestmark = pytest.mark.usefixtures("impatient")
damages = pytest.mark.parametrize("damage", DAMAGES)


RUN_FILES = {
    "done": [
        "config.json", "events.jsonl", "result.json", "lease.*", "evaluations/*.json", "evaluations/*.safetensors",
        "checkpoint/backbone.safetensors", "checkpoint/head.safetensors",
    ],
    "trained": ["result.json", "failure.json", "checkpoint/backbone.safetensors", "checkpoint/head.safetensors"],
    "begun": [
        "config.json", "events.jsonl", "lease.*", "failure.json", "log.txt", "checkpoint/training.safetensors",
        "checkpoint/training.previous.safetensors",
    ],
}  # fmt: skip


@damages
@pytest.mark.parametrize(("stage", "file"), [(stage, file) for stage, files in RUN_FILES.items() for file in files])
def test_any_file_of_a_run_may_be_torn(stages, tmp_path, stage, file, damage):
    store = stages.copy(stage, tmp_path / "results")
    found = list(the_run(store).glob(file))
    assert found
    for path in found:
        path.write_bytes(DAMAGES[damage](path.read_bytes()))
    assert bench_run(stages.place, store) == stages.table
    assert weights(store.root) == stages.weights
    assert bench_run(stages.place, store) == stages.table
    if stage != "done":  # nobody looks at the lease of a run that is done
        nothing_left(store.root)


def test_the_files_that_are_torn_above_are_all_that_a_run_has(stages):
    for stage, files in RUN_FILES.items():
        folder = the_run(Store(stages.place.folder / stage))
        there = {path for path in folder.rglob("*") if path.is_file()}
        kinds = {kind for listed in RUN_FILES.values() for kind in listed}
        assert there == {path for kind in kinds for path in folder.glob(kind)}
        assert all(any(folder.glob(file)) for file in files)


def test_both_checkpoints_may_be_torn(stages, tmp_path):
    store = stages.copy("begun", tmp_path / "results")
    for path in the_run(store).glob("checkpoint/training*"):
        path.write_bytes(path.read_bytes()[:-1])
    said = []
    assert bench_run(stages.place, store, said.append) == stages.table
    assert weights(store.root) == stages.weights
    assert len([event for event in said if event["kind"] == "warning" and "is broken" in event["text"]]) == 2


def test_the_checkpoint_before_is_gone_on_from(stages, tmp_path):
    store = stages.copy("begun", tmp_path / "results")
    path = the_run(store) / "checkpoint" / "training.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    bench_run(stages.place, store)
    (resumed,) = [event for event in events(the_run(store)) if event["kind"] == "resumed"]
    assert (resumed["epoch"], resumed["step"]) > (1, 1)


@pytest.mark.parametrize("part", ["backbone", "head"])
def test_a_run_whose_weights_are_torn_is_trained_and_evaluated_again_and_says_so(stages, tmp_path, part):
    store = stages.copy("trained", tmp_path / "results")
    path = the_run(store) / "checkpoint" / f"{part}.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    said = []
    assert bench_run(stages.place, store, said.append) == stages.table
    warnings = [event["text"] for event in said if event["kind"] == "warning"]
    assert warnings == [
        f"{path}: the weights of this run are not those that its result.json names; it is trained again"
    ]
    assert len([event for event in said if event["kind"] == "evaluated"]) == 2


@damages
@pytest.mark.parametrize("file", ["plan.json", "report/table.csv", "report/report.html", "report/figures/roc.png"])
def test_any_file_of_a_suite_may_be_torn(stages, tmp_path, file, damage):
    store = stages.copy("done", tmp_path / "results")
    whole = {path: path.read_bytes() for path in store.suite_folder("tiny").glob(file)}
    for path, content in whole.items():
        path.write_bytes(DAMAGES[damage](content))
    if file == "plan.json":
        with pytest.raises(
            StoreError, match=r"plan\.json: cannot be read .*`bench run SUITE` writes it anew"
        ) as caught:
            report_data(store, "tiny")
        assert "\n" not in str(caught.value)
    assert bench_run(stages.place, store) == stages.table
    write_report(store, "tiny")
    assert whole
    assert {path: path.read_bytes() for path in whole} == whole


@damages
def test_arrays_that_changed_are_told_when_they_are_read_and_made_again(stages, tmp_path, damage):
    store = stages.copy("done", tmp_path / "results")
    for path in the_run(store).glob("evaluations/*.safetensors"):
        whole = path.read_bytes()
        path.write_bytes(DAMAGES[damage](whole))
        with pytest.raises(StoreError, match=r"safetensors: is broken .*; run the suite again") as caught:
            store.evaluation_arrays(the_run(store).name, path.stem)
        assert "\n" not in str(caught.value)
        assert bench_run(stages.place, store) == stages.table
        assert path.read_bytes() == whole


@damages
@pytest.mark.parametrize("file", ["packed/*/index.json", "packed/*/images.u8", "protocols/*", "fingerprints/*"])
def test_any_file_of_the_packed_store_may_be_torn(stages, tmp_path, monkeypatch, file, damage):
    cache = shutil.copytree(stages.place.cache, tmp_path / "cache", ignore=shutil.ignore_patterns(".*", "*.damaged"))
    monkeypatch.setenv("BENCH_CACHE", str(cache))
    found = [path for path in cache.glob(file) if path.is_file()]
    assert found
    for path in found:
        path.write_bytes(DAMAGES[damage](path.read_bytes()))
    store, elsewhere = Store(tmp_path / "results"), Place(tmp_path, stages.place.root, cache)
    with suppress(DataError):  # at worst one that says to run the same command again
        bench_run(elsewhere, store)
    assert bench_run(elsewhere, store) == stages.table
    assert weights(store.root) == stages.weights
