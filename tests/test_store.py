"""The store: whole or not at all, and what is broken is set aside."""

import errno
import json
import os

import numpy as np
import pytest

from bench.errors import StoreError
from bench.processes import this_machine
from bench.records import canonical, digest, remove_leftovers, write_bytes
from bench.store import Store


def test_a_result_is_read_back_and_a_broken_one_is_set_aside(tmp_path):
    store = Store(tmp_path)
    store.write_failure("r1", {"error": "x", "traceback": ""})
    store.write_result("r1", {"run": "r1", "metrics": {"loss": 0.5}})
    assert store.result("r1") == {"schema": 1, "run": "r1", "metrics": {"loss": 0.5}}
    assert store.failure("r1") is None
    path = store.run_folder("r1") / "result.json"
    whole = path.read_bytes()
    for cut in (0, 1, len(whole) // 2, len(whole) - 3):
        path.write_bytes(whole[:cut])
        assert store.result("r1") is None
        assert not path.exists()
    path.write_text(json.dumps({**json.loads(whole), "metrics": {"loss": 0.1}}))
    assert store.result("r1") is None


def test_a_half_written_event_is_passed_over_and_the_next_is_not_lost(tmp_path):
    store = Store(tmp_path)
    store.append_event("r1", {"kind": "epoch", "epoch": 1, "loss": 2.0})
    with (store.run_folder("r1") / "events.jsonl").open("a") as file:
        file.write('{"kind": "epo')
    store.append_event("r1", {"kind": "epoch", "epoch": 2, "loss": 1.0})
    assert [e["loss"] for e in store.epochs("r1")] == [2.0, 1.0]


def test_evaluations_keep_their_arrays(tmp_path):
    store = Store(tmp_path)
    scores = np.linspace(-1, 1, 7, dtype=np.float32)
    store.write_evaluation("r1", "e1", {"metrics": {"accuracy": 0.9, "tar": None}}, {"scores": scores})
    assert store.evaluation("r1", "e1")["metrics"] == {"accuracy": 0.9, "tar": None}
    np.testing.assert_array_equal(store.evaluation_arrays("r1", "e1")["scores"], scores)
    assert store.evaluation("r1", "e2") is None


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".hidden", "a..b"])
def test_names_that_leave_the_folder_are_refused(tmp_path, name):
    with pytest.raises(StoreError, match="safe name"):
        Store(tmp_path).run_folder(name)


def test_a_results_folder_that_cannot_be_written_is_said_in_one_line(tmp_path):
    (tmp_path / "results").write_text("a file where a folder is needed")
    with pytest.raises(StoreError, match="cannot be written") as caught:
        Store(tmp_path / "results").check_writable()
    assert "\n" not in str(caught.value)


def test_digests_depend_on_values_alone():
    assert digest({"b": 1, "a": [1.0, "ü"]}) == digest({"a": [1.0, "ü"], "b": 1})
    assert digest({"a": 1}) != digest({"a": 2})
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical(float("nan"))


def test_a_full_disk_is_said_in_one_line_and_leaves_nothing_half_written(tmp_path, monkeypatch):
    store = Store(tmp_path)
    store.write_result("r1", {"run": "r1"})
    before = (store.run_folder("r1") / "result.json").read_bytes()

    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("bench.records.os.fsync", full)
    with pytest.raises(StoreError, match=r"result\.json: cannot be written: No space left on device"):
        store.write_result("r1", {"run": "changed"})
    assert (store.run_folder("r1") / "result.json").read_bytes() == before
    assert [path.name for path in store.run_folder("r1").iterdir()] == ["result.json"]


def test_the_failure_of_another_suites_evaluation_does_not_undo_what_is_done(tmp_path):
    store = Store(tmp_path)
    assert store.state("r1", ["e1"]) == "to train"
    store.append_event("r1", {"kind": "started"})
    assert store.state("r1", ["e1"]) == "started"
    store.write_result("r1", {"run": "r1"})
    assert store.state("r1", ["e1"]) == "to evaluate"
    store.write_evaluation("r1", "e1", {"metrics": {}}, {})
    store.write_failure("r1", {"error": "no such protocol", "traceback": ""})
    assert store.state("r1", ["e1"]) == "done"
    assert store.state("r1", ["e1", "e2"]) == "failed"


def test_a_superseded_run_is_to_be_trained_again_and_all_it_had_is_kept_aside_but_its_leases(tmp_path):
    store = Store(tmp_path)
    for turn in ("1", "2"):
        store.append_event("r1", {"kind": "epoch", "epoch": 1})
        store.write_evaluation("r1", "e1", {"metrics": {}}, {})
        store.write_result("r1", {"run": "r1", "turn": turn})
        store.checkpoint_folder("r1").mkdir()
        (store.checkpoint_folder("r1") / "training.safetensors").write_text("to go on from")
        (store.run_folder("r1") / "lease.000001").write_text("{}")
        kept = store.supersede("r1")
        assert kept == tmp_path / "superseded" / "r1" / turn
        assert [path.name for path in store.run_folder("r1").iterdir()] == ["lease.000001"]
        assert json.loads((kept / "result.json").read_text())["turn"] == turn
        assert sorted(path.name for path in kept.iterdir()) == [
            "checkpoint", "evaluations", "events.jsonl", "result.json",
        ]  # fmt: skip
        assert not list((kept / "checkpoint").iterdir())
    assert store.state("r1", ["e1"]) == "to train"


def test_a_cancelled_run_is_done_if_it_was_and_else_cancelled_even_if_it_failed(tmp_path):
    store = Store(tmp_path)
    store.write_failure("r1", {"error": "x"})
    store.cancel("r1")
    assert store.state("r1", []) == "cancelled"
    store.clear_cancelled("r1")
    assert store.state("r1", []) == "failed"
    store.write_result("r1", {"run": "r1"})
    store.cancel("r1")
    assert store.state("r1", ["e1"]) == "cancelled"
    assert store.state("r1", []) == "done"


def test_an_unknown_suite_is_told_with_the_nearest(tmp_path):
    Store(tmp_path).write_plan("ablation", {"runs": []})
    with pytest.raises(StoreError, match=r"no suite called 'ablatoin' .* did you mean 'ablation'"):
        Store(tmp_path).plan("ablatoin")


def test_what_a_writer_left_that_was_killed_is_removed_and_what_is_being_written_is_not(tmp_path):
    here, elsewhere, dead = this_machine(), "0" * 16, 2**22 + 1  # no process has such a number
    names = [
        f".a.json.{here}-{dead}.abcdefgh",
        f".a.json.{here}-{os.getpid()}.abcdefgh",
        f".b.{elsewhere}-{dead}.abcdefgh",
    ]
    for name in [*names, ".hidden", "a.json"]:
        (tmp_path / name).write_text("")
    remove_leftovers(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {names[1], names[2], ".hidden", "a.json"}
    remove_leftovers(tmp_path, alone=True)
    assert {path.name for path in tmp_path.iterdir()} == {names[1], ".hidden", "a.json"}


def test_a_temporary_file_is_known_as_one(tmp_path, monkeypatch):
    """A crash between writing and renaming leaves what `remove_leftovers` finds."""

    def crash(self, target):
        raise KeyboardInterrupt

    monkeypatch.setattr("pathlib.Path.replace", crash)
    with pytest.raises(KeyboardInterrupt):
        write_bytes(tmp_path / "a.json", b"x")
    monkeypatch.undo()
    assert len(list(tmp_path.iterdir())) == 1
    monkeypatch.setattr("bench.records.lives", lambda pid: False)
    remove_leftovers(tmp_path)
    assert not list(tmp_path.iterdir())
