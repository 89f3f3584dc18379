"""Cancelling and putting back, by marks in the runs' folders."""

import pytest

from bench.errors import DataError
from bench.scheduling.control import cancel, check_packed, left_to_do, put_back, to_retry
from bench.scheduling.jobs import Job
from bench.scheduling.leases import take
from bench.scheduling.plan import PlannedRun
from bench.scheduling.selection import asked_by, selected
from bench.scheduling.worker import run_job
from bench.store import Store
from tests.scheduling.planned import eventually, finish, ids, write_suite_plan


@pytest.fixture
def store(tmp_path):
    """Suite ``one``: runs 0 (done), 1, 2; suite ``two``: runs 2 and 3."""
    store = Store(tmp_path)
    finish(store, write_suite_plan(store, "one", ids(3))[0])
    write_suite_plan(store, "two", ids(2, first=2))
    return store


def test_cancelling_a_suite_leaves_what_is_done_and_what_another_suite_asks_for(store):
    runs = ids(4)
    lease = take(store.run_folder(runs[1]))
    found = cancel(store, selected(store, ["one"]))
    lease.give_back()
    assert (found.running, found.waiting, found.done, found.shared) == ((runs[1],), (), (runs[0],), {runs[2]: ("two",)})
    assert [run for run in runs if store.cancelled(run)] == [runs[1]]
    assert cancel(store, selected(store, ["one"]), shared=True).waiting == (runs[1], runs[2])
    assert [run.state(store) for run in asked_by(store, "two")] == ["cancelled", "to train"]


def test_a_run_that_is_named_or_of_two_suites_that_are_both_named_is_cancelled_for_both(store):
    assert cancel(store, selected(store, [ids(4)[2]])).waiting == (ids(4)[2],)
    assert set(cancel(store, selected(store, ["one", "two"])).waiting) == set(ids(4)[1:])


def test_a_run_that_is_done_for_the_other_suite_is_not_needed_by_it(store):
    store.write_result(ids(4)[2], {"run": "r"})
    finish(store, asked_by(store, "two")[0].record)
    write_suite_plan(store, "one", ids(3), protocol="ytf")
    assert ids(4)[2] in cancel(store, selected(store, ["one"])).waiting


def test_a_cancelled_job_is_not_begun_whoever_has_it_already(store):
    cancel(store, selected(store, ["one"]), shared=True)
    told = []
    job = Job(({"run": ids(2)[1]}, {"run": ids(2)[1]}), str(store.root), "")
    run_job(job, "cpu", told.append, lambda: False)
    assert told == [{"run": ids(2)[1], "kind": "cancelled"}]
    assert not store.events(ids(2)[1])


def test_failed_and_cancelled_runs_are_put_back_and_those_begun_before_say_so(store):
    failed, waiting = ids(4)[1], ids(4)[2]
    store.append_event(failed, {"kind": "started"})
    store.write_failure(failed, {"error": "x", "reason": "bug"})
    store.cancel(waiting)
    again = to_retry(store, asked_by(store, "one"))
    assert [run.run for run in again] == [failed, waiting]
    put_back(store, again)
    assert not store.cancelled(waiting)
    assert [event["kind"] for event in store.events(failed)] == ["started", "retry"]
    assert not store.events(waiting)


def test_a_lease_that_beats_finds_the_mark(store):
    lease = take(store.run_folder(ids(4)[1]), beat_seconds=0.02)
    assert not lease.cancelled
    store.cancel(ids(4)[1])
    eventually(lambda: lease.cancelled)
    lease.give_back()


def test_data_that_is_not_packed_is_said_before_anything_is_begun(store, tmp_path):
    runs = [PlannedRun.from_record(run.record) for run in asked_by(store, "one")]
    with pytest.raises(DataError, match=r"training data \(packed as 000000000000…\) is not in .*; do this"):
        check_packed(runs, tmp_path / "cache", "do this")


def test_other_suites_that_lack_a_run_are_counted(store):
    assert left_to_do(store, ids(4), "one") == {"two": 2}
    assert left_to_do(store, ids(2), "one") == {}
