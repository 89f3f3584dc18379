"""The index of a store: quick where nothing has changed, and never in the way of the truth."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bench import store_index
from bench.errors import StoreError
from bench.store import Store
from tests.made_up_store import finish_runs
from tests.report.fabricated import planned_run

ROOT = Path(__file__).parent.parent
RUNS = [planned_run("small_cnn", "arcface", strength, 0, protocols=("lfw",)) for strength in (0.0, 0.1, 0.2)]


@pytest.fixture
def store(tmp_path, monkeypatch):
    """Three finished runs whose files an index has seen; a file counts as settled at once."""
    monkeypatch.setattr(store_index, "SETTLED_NS", -1)
    finish_runs(Store(tmp_path), RUNS)
    read_all(Store(tmp_path))
    return Store(tmp_path)


def read_all(store):
    """What commands ask of a store."""
    found = [
        (
            store.state(run["run"], run["evaluations"].values()),
            store.outcome(run["run"]),
            store.failure(run["run"]),
            *(store.metrics(run["run"], evaluation) for evaluation in run["evaluations"].values()),
        )
        for run in RUNS
    ]
    store.save_index()
    return found


def from_files(store):
    (store.root / "index.tsv").unlink(missing_ok=True)
    return read_all(Store(store.root))


@pytest.fixture
def reads(monkeypatch):
    """The files whose content is read as a record."""
    seen = []
    for name in ("read_checked", "read_json"):
        true = getattr(sys.modules["bench.store"], name)

        def watched(path, true=true):
            seen.append(path.name)
            return true(path)

        monkeypatch.setattr(f"bench.store.{name}", watched)
    return seen


def test_a_second_look_opens_no_file_of_a_run_and_finds_the_same(store, reads):
    again = read_all(store)
    assert reads == []
    assert [row[0] for row in again] == ["done"] * 3
    assert again == from_files(store)
    assert len(reads) == 3 * 3  # result and two evaluations of each


def test_the_outcome_is_the_result_without_its_configuration_and_the_metrics_are_the_evaluations(store):
    run = RUNS[0]
    evaluation = run["evaluations"]["lfw"]
    result = store.result(run["run"])
    assert {**store.outcome(run["run"]), "config": run["config"]} == result
    assert store.metrics(run["run"], evaluation) == store.evaluation(run["run"], evaluation)["metrics"]


def same_size_and_time(path):
    before = path.stat()
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"schema":1', b'"schema":2'))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)


DAMAGE = {
    "deleted": lambda path: path.unlink(),
    "torn": lambda path: path.write_bytes(path.read_bytes()[:-40]),
    "emptied": lambda path: path.write_bytes(b""),
    "tampered with, size and time of change restored": same_size_and_time,
}


@pytest.mark.parametrize("how", DAMAGE)
@pytest.mark.parametrize("file", ["result", "evaluation"])
def test_what_became_of_a_file_behind_its_back_is_not_hidden(store, file, how):
    run = RUNS[1]["run"]
    evaluation = RUNS[1]["evaluations"]["lfw"]
    path = store.run_folder(run) / ("result.json" if file == "result" else f"evaluations/{evaluation}.json")
    DAMAGE[how](path)
    found = read_all(store)
    assert (found[1][1] if file == "result" else store.metrics(run, evaluation)) is None
    assert found[1][0] in ("to train", "started", "to evaluate")
    assert (found[0][0], found[2][0]) == ("done", "done")
    assert path.with_name(path.name + ".broken").exists() == (how != "deleted")
    assert read_all(Store(store.root)) == found == from_files(store)


def test_arrays_that_are_torn_behind_its_back_are_not_hidden(store):
    run, evaluation = RUNS[1]["run"], RUNS[1]["evaluations"]["lfw"]
    store.write_evaluation(run, evaluation, {"metrics": {"accuracy": 0.5}}, {"scores": np.zeros(9, np.float32)})
    assert store.state(run, [evaluation]) == "done"
    store.save_index()
    path = store.evaluation_folder(run) / f"{evaluation}.safetensors"
    path.write_bytes(path.read_bytes()[:-4])
    assert Store(store.root).state(run, [evaluation]) == "to evaluate"


def test_a_sound_file_in_the_place_of_another_is_read(store):
    run = RUNS[0]["run"]
    result = {key: value for key, value in store.result(run).items() if key not in ("schema", "checksum")}
    store.write_result(run, {**result, "metrics": {"loss": 7.0}})
    assert store.outcome(run)["metrics"] == {"loss": 7.0}
    assert Store(store.root).outcome(run)["metrics"] == {"loss": 7.0}


def test_numbers_are_remembered_to_the_last_bit(store):
    run, evaluation = RUNS[0]["run"], "0" * 16
    metrics = {
        str(i): value for i, value in enumerate([0.1 + 0.2, 1 / 3, 5e-324, 1.7976931348623157e308, -0.0, 7, None])
    }
    store.write_evaluation(run, evaluation, {"metrics": metrics}, {})
    for again in (store, Store(store.root)):
        assert list(map(repr, again.metrics(run, evaluation).values())) == list(map(repr, metrics.values()))
        again.save_index()


def test_failures_that_come_change_and_go_are_seen(store):
    run = RUNS[2]["run"]
    assert store.failure(run) is None
    for error in ("one", "two"):
        store.write_failure(run, {"error": error, "traceback": ""})
        assert store.failure(run)["error"] == error
        store.save_index()
        assert Store(store.root).failure(run)["error"] == error
    store.clear_failure(run)
    assert store.failure(run) is None
    assert Store(store.root).failure(run) is None


def index_lines(store):
    return (store.root / "index.tsv").read_bytes().split(b"\n")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda content: b"",
        lambda content: content[: len(content) // 2],
        lambda content: content.replace(b"1.", b"2."),
        lambda content: content.replace(b"\t", b" "),
        lambda content: b"\xff" * len(content),
        lambda content: content.replace(b"deleted\t1", b"deleted\t2"),
    ],
    ids=["emptied", "torn", "other numbers", "no tabs", "no text", "another version"],
)
def test_an_index_that_is_broken_or_of_another_version_is_not_believed_and_is_made_anew(store, reads, spoil):
    path = store.root / "index.tsv"
    path.write_bytes(spoil(path.read_bytes()))
    found = read_all(Store(store.root))
    assert reads
    assert found == from_files(store)
    reads.clear()
    assert read_all(Store(store.root)) == found
    assert reads == []


def test_the_index_is_deleted_at_any_time_without_a_loss(store):
    path = store.root / "index.tsv"
    assert store.outcome(RUNS[0]["run"])
    path.unlink()
    assert [row[0] for row in read_all(store)] == ["done"] * 3
    assert [row[0] for row in read_all(Store(store.root))] == ["done"] * 3


def test_a_file_that_changed_a_moment_ago_is_not_remembered(tmp_path, reads):
    store = Store(tmp_path)
    finish_runs(store, RUNS)
    read_all(store)
    first = len(reads)
    assert read_all(Store(tmp_path))
    assert len(reads) == 2 * first


def test_a_run_that_was_deleted_leaves_the_index(store):
    shutil.rmtree(store.run_folder(RUNS[0]["run"]))
    (store.run_folder(RUNS[1]["run"]) / "result.json").touch()
    read_all(store)
    assert [line.partition(b"\t")[0].decode() for line in index_lines(store)[1:-1]] == sorted(
        run["run"] for run in RUNS[1:]
    )


def test_a_folder_that_cannot_be_written_is_read_all_the_same(store, monkeypatch):
    expected = from_files(store)
    (store.root / "index.tsv").unlink()

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("bench.store_index.tempfile.mkstemp", refuse)
    monkeypatch.setattr("bench.store_index.tempfile.TemporaryFile", refuse)
    assert read_all(Store(store.root)) == expected
    assert not (store.root / "index.tsv").exists()


def test_a_file_that_cannot_be_looked_at_is_an_error_in_one_line(store, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("bench.store_index.os.stat", refuse)
    with pytest.raises(StoreError, match=r"result\.json: cannot be read: Permission denied"):
        store.outcome(RUNS[0]["run"])


WRITER = """
import sys
from pathlib import Path
from bench import store_index
from bench.store import Store
store_index.SETTLED_NS = -1
root, mine, rounds = Path(sys.argv[1]), sys.argv[2].split(","), int(sys.argv[3])
for _ in range(rounds):
    store = Store(root)
    assert all(store.outcome(run) for run in mine)
    store.save_index()
    (root / "runs" / mine[0] / "result.json").touch()
"""


def test_processes_that_keep_their_indexes_at_once_leave_a_sound_one(store):
    (store.root / "index.tsv").unlink()
    path = {**os.environ, "PYTHONPATH": str(ROOT)}
    groups = [[run["run"] for run in RUNS[:2]], [run["run"] for run in RUNS[1:]]]
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(store.root), ",".join(group), "60"], env=path)
        for group in groups
    ]
    assert [writer.wait(timeout=120) for writer in writers] == [0, 0]
    assert [row[0] for row in read_all(Store(store.root))] == ["done"] * 3
    assert [path.name for path in store.root.iterdir() if path.name.startswith(".")] == []
    head, *lines = index_lines(store)
    assert head.endswith(b"\t1")
    assert len(lines) == 4
    assert all(store_index._parsed(line) for line in lines[:-1])


def test_a_summary_is_json_without_what_an_index_line_ends_at():
    entries = {"a/b.json": ("1 2 3 4", json.dumps({"text": "tab\tline\nü"}))}
    line = store_index._line("r1", entries)
    assert b"\n" not in line
    assert store_index._parsed(line) == entries
