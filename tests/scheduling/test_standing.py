"""Every state a run can be in, from what lies in its folder."""

import json

import pytest

from bench.scheduling.leases import take
from bench.scheduling.selection import asked_by
from bench.scheduling.standing import attempts, count_states, standing
from bench.store import Store
from tests.scheduling.planned import eventually, finish, ids, write_suite_plan

RUN = ids(1)[0]


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path)
    write_suite_plan(store, "one", [RUN])
    return store


def stands(store):
    return standing(store, asked_by(store, "one")[0])


def test_a_run_waits_runs_is_interrupted_and_is_done(store):
    assert stands(store).state == "waiting"
    lease = take(store.run_folder(RUN))
    store.append_event(RUN, {"kind": "started"})
    assert (stands(store).state, stands(store).attempts, stands(store).epoch) == ("running", 1, None)
    store.append_event(RUN, {"kind": "epoch", "epoch": 1, "epochs": 9, "images_per_second": 50.0})
    assert (stands(store).epoch, stands(store).epochs, stands(store).images_per_second) == (1, 9, 50.0)
    lease.give_back()
    assert stands(store).state == "interrupted"
    finish(store, asked_by(store, "one")[0].record)
    assert (stands(store).state, stands(store).attempts) == ("done", 2)
    assert count_states(store, asked_by(store, "one"))["done"] == 1


def test_where_a_run_is_inside_its_epoch_is_told_by_the_beat_of_its_lease(store):
    lease = take(store.run_folder(RUN), beat_seconds=0.02)
    store.append_event(RUN, {"kind": "started"})
    lease.position = {"epoch": 3, "epochs": 9, "images_per_second": 70.0}
    eventually(lambda: stands(store).epoch is not None)
    assert (stands(store).epoch, stands(store).images_per_second) == (3, 70.0)
    lease.give_back()


def test_a_lease_whose_owner_is_gone_is_not_running_and_one_of_another_machine_says_so(store):
    lease = take(store.run_folder(RUN), beat_seconds=60)
    store.append_event(RUN, {"kind": "started"})
    lease.give_back()
    path = store.run_folder(RUN) / "lease.000001"
    record = {**json.loads(path.read_text()), "given_back": False}
    path.write_text(json.dumps({**record, "began": record["began"] - 100}))
    assert stands(store).state == "interrupted"
    path.write_text(json.dumps({**record, "machine": "another"}))
    assert (stands(store).state, stands(store).note) == ("running", "on another machine")


def test_a_failed_run_says_why_with_the_end_of_its_log_and_a_cancelled_one_that_it_failed_before(store):
    store.append_event(RUN, {"kind": "started"})
    store.write_failure(RUN, {"error": "no memory", "reason": "oom"})
    store.log_path(RUN).write_text("".join(f"line {i}\n" for i in range(2000)))
    found = stands(store)
    assert (found.state, found.reason, found.note) == ("failed", "oom", "no memory")
    assert found.log == tuple(f"line {i}" for i in range(1995, 2000))
    store.cancel(RUN)
    assert (stands(store).state, stands(store).note) == ("cancelled", "failed before: no memory")


def test_attempts_are_counted_to_the_end_of_the_work_and_anew_for_the_next():
    events = [{"kind": kind} for kind in ("started", "failed", "retry", "started", "epoch", "done")]
    assert attempts(events[:1]) == 1
    assert attempts(events) == 2
    assert attempts([*events, {"kind": "started"}]) == 1
    assert attempts([{"kind": "epoch"}]) is None
