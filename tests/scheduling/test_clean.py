"""What is of no use goes, what is of use stays, and nothing outside of the results folder is touched."""

import os

import pytest

from bench.data.packed import is_packed
from bench.errors import StoreError
from bench.processes import this_machine
from bench.scheduling.clean import find, remove
from bench.scheduling.leases import take
from bench.store import Store
from tests.scheduling.planned import finish, ids, write_suite_plan

RUN, OTHER = ids(2)
DEAD = 2**22 + 1  # no process has such a number


@pytest.fixture
def store(tmp_path):
    """One run that is done, one that was begun, and a folder beside the results."""
    store = Store(tmp_path / "results")
    finish(store, write_suite_plan(store, "one", [RUN, OTHER])[0])
    store.append_event(OTHER, {"kind": "started"})
    return store


def put(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("content")
    return path


def files(folder):
    return {path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("lease.")}


def test_only_what_is_of_no_use_is_found_and_removed(store):
    checkpoints = store.checkpoint_folder(RUN)
    kept = [
        put(checkpoints / "backbone.safetensors"),
        put(store.checkpoint_folder(OTHER) / "training.safetensors"),
        put(store.run_folder(OTHER) / f".result.json.{this_machine()}-{os.getpid()}.abcdefgh"),
    ]
    useless = {
        put(checkpoints / "training.safetensors"),
        put(checkpoints / "training.previous.safetensors"),
        put(store.evaluation_folder(RUN) / "e.json.broken"),
        put(store.run_folder(OTHER) / f".events.jsonl.{this_machine()}-{DEAD}.abcdefgh"),
        put(store.root / "suites" / "one" / "report" / f".table.md.{this_machine()}-{DEAD}.abcdefgh"),
    }
    before = files(store.root)
    found = find(store)
    assert {item.path for item in found.removable} == useless
    assert {item.bytes for item in found.removable} == {7}
    assert files(store.root) == before
    assert not remove(store, found.removable)
    assert files(store.root) == before - useless
    assert set(kept) <= before
    assert not find(store).removable


def test_ended_leases_go_but_the_newest_so_that_its_number_is_never_used_again(store):
    for number in (1, 2, 3):
        put(store.run_folder(RUN) / f"lease.{number:06d}").write_text('{"given_back": true}')
    found = find(store)
    assert [item.path.name for item in found.removable] == ["lease.000001", "lease.000002"]
    remove(store, found.removable)
    lease = take(store.run_folder(RUN))
    assert lease.number > 3
    lease.give_back()


def test_a_run_that_somebody_works_at_is_not_touched_even_if_it_is_begun_after_the_look(store):
    path = put(store.checkpoint_folder(RUN) / "training.safetensors")
    found = find(store)
    lease = take(store.run_folder(RUN))
    assert find(store).busy == (RUN,)
    assert not find(store).removable
    assert list(remove(store, found.removable)) == [path]
    assert path.is_file()
    lease.give_back()


def test_what_has_become_of_use_meanwhile_is_left(store):
    path = put(store.checkpoint_folder(RUN) / "training.safetensors")
    found = find(store)
    (store.run_folder(RUN) / "result.json").unlink()
    assert "changed meanwhile" in remove(store, found.removable)[path]
    assert path.is_file()


def test_runs_that_no_suite_and_no_search_asks_for_go_if_asked_for(store):
    stray, trial = ids(2, first=7)
    for run in (stray, trial):
        store.append_event(run, {"kind": "started"})
    put(store.root / "optuna" / "s.log").write_text(f'{{"user_attr": {{"run": "{trial}"}}}}\n')
    assert not find(store).removable
    found = find(store, unplanned=True)
    assert [item.path.name for item in found.removable] == [stray]
    store.write_search("late", {"schema": 2, "studies": [{"trials": [{"runs": [stray]}]}]})
    assert not find(store, unplanned=True).removable
    (store.suite_folder("late") / "search.json").unlink()
    write_suite_plan(store, "late", [stray])
    assert remove(store, found.removable)
    (store.suite_folder("late") / "plan.json").unlink()
    assert not remove(store, found.removable)
    assert store.run_ids() == sorted([RUN, OTHER, trial])


def test_what_was_superseded_goes_only_if_asked_for(store):
    kept = store.supersede(RUN)
    assert not find(store).removable
    remove(store, find(store, superseded=True).removable)
    assert not kept.exists()


def test_nothing_behind_a_link_is_touched(store, tmp_path):
    outside = put(tmp_path / "elsewhere" / "x.broken")
    put(tmp_path / "elsewhere" / "checkpoint" / "training.safetensors")
    (store.run_folder(RUN) / "checkpoint").symlink_to(tmp_path / "elsewhere")
    (store.root / "runs" / "0123456789abcdef").symlink_to(tmp_path / "elsewhere")
    (store.root / "suites" / "linked").symlink_to(tmp_path / "elsewhere")
    found = find(store, unplanned=True)
    assert not found.removable
    assert [path.name for path in found.outside] == ["0123456789abcdef"]
    assert outside.is_file()


def test_a_results_folder_whose_runs_lie_elsewhere_is_refused(store, tmp_path):
    put(store.evaluation_folder(RUN) / "e.json.broken")
    found = find(store)
    (store.root / "runs").rename(tmp_path / "moved")
    (store.root / "runs").symlink_to(tmp_path / "moved")
    assert not find(store).removable
    assert list(remove(store, found.removable).values()) == ["has changed meanwhile"]
    assert (tmp_path / "moved" / RUN / "evaluations" / "e.json.broken").is_file()


def test_packed_data_goes_only_if_no_plan_uses_it_and_every_plan_says_what_it_uses(store, tmp_path):
    cache = tmp_path / "cache"
    used, not_used = "0" * 64, "2" * 64
    for digest in (used, not_used):
        put(cache / "packed" / digest / "index.json").write_text('{"shape": [7]}')
        put(cache / "packed" / digest / "images.u8")
    put(cache / "packed" / f".{not_used}.lock")
    put(cache / "protocols" / f"{not_used}.safetensors")
    put(cache / "fingerprints" / "mine.json")
    found = find(store, cache=cache)
    assert {item.path.name for item in found.removable} == {not_used, f"{not_used}.safetensors"}
    assert not remove(store, found.removable)
    assert is_packed(cache, used)
    assert sorted(path.name for path in (cache / "packed").iterdir()) == [f".{not_used}.lock", used]
    plan = store.plan("one")
    del plan["runs"][0]["protocols"]
    store.write_plan("one", plan)
    with pytest.raises(StoreError, match="nothing in the cache can be called unused"):
        find(store, cache=cache)
