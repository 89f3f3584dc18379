"""Leases: one owner at a time, whoever is killed, slow or on another machine."""

import json
import multiprocessing
import os
import signal
import threading
import time

import pytest

from bench.errors import StoreError
from bench.scheduling import leases
from bench.scheduling.leases import Watch, holder, take

QUICK = 0.02


def test_one_at_a_time_and_again_after_it_was_given_back(tmp_path):
    first = take(tmp_path)
    assert take(tmp_path) is None
    first.give_back()
    assert holder(tmp_path) is None
    second = take(tmp_path)
    assert second.number == first.number + 1
    second.give_back()
    assert [path.name for path in tmp_path.iterdir()] == ["lease.000002"]


def test_of_many_who_try_at_once_one_gets_it(tmp_path):
    for turn in range(20):
        start, got = threading.Barrier(8), []

        def attempt(folder=tmp_path / str(turn), start=start, got=got):
            start.wait()
            if (lease := take(folder)) is not None:
                got.append(lease)

        threads = [threading.Thread(target=attempt) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(got) == 1
        got[0].give_back()


def hold(folder, pipe):
    pipe.send(take(folder) is not None)
    time.sleep(60)


def test_the_lease_of_a_killed_process_of_this_machine_is_free_at_once(tmp_path):
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=hold, args=(tmp_path, there))
    process.start()
    assert here.recv()
    assert take(tmp_path) is None
    os.kill(process.pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while (lease := take(tmp_path)) is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert lease.number == 2
    lease.give_back()
    process.join()


def foreign(folder, number=1, beat=0):
    record = {"machine": "elsewhere", "pid": 1, "began": 0.0, "beat": beat, "given_back": False}
    (folder / f"lease.{number:06d}").write_text(json.dumps(record))


def test_a_lease_of_another_machine_is_stale_when_its_beat_stands_still(tmp_path):
    now = [1000.0]
    watch = Watch(expiry=60, clock=lambda: now[0])
    for beat in range(5):
        foreign(tmp_path, beat=beat)
        assert watch.free(tmp_path) == (False, None)
        now[0] += 59
    assert watch.free(tmp_path) == (False, None)
    now[0] += 2
    free, stale = watch.free(tmp_path)
    assert free
    assert take(tmp_path) is None
    lease = take(tmp_path, stale=stale)
    assert lease.number == 2
    lease.give_back()


def test_a_beat_that_comes_late_keeps_the_lease(tmp_path):
    now = [0.0]
    watch = Watch(expiry=60, clock=lambda: now[0])
    foreign(tmp_path)
    watch.free(tmp_path)
    now[0] = 61
    free, stale = watch.free(tmp_path)
    foreign(tmp_path, beat=1)
    assert free
    assert take(tmp_path, stale=stale) is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": 1}'])
def test_a_torn_lease_is_watched_like_one_of_another_machine(tmp_path, content):
    now = [0.0]
    watch = Watch(expiry=60, clock=lambda: now[0])
    (tmp_path / "lease.000001").write_text(content)
    assert watch.free(tmp_path) == (False, None)
    assert take(tmp_path) is None
    now[0] = 61
    assert watch.free(tmp_path)[0]


def test_a_slow_owner_finds_that_it_was_taken_over_and_writes_nothing_more(tmp_path):
    lease = take(tmp_path, beat_seconds=QUICK)
    foreign(tmp_path, number=2)
    deadline = time.monotonic() + 10
    while not lease.lost and time.monotonic() < deadline:
        time.sleep(QUICK)
    assert lease.lost
    assert not lease.held()
    (tmp_path / "lease.000001").unlink()
    lease.give_back()
    assert [path.name for path in tmp_path.iterdir()] == ["lease.000002"]
    assert holder(tmp_path).machine == "elsewhere"


def test_numbers_are_never_used_again_so_an_old_owner_cannot_be_taken_for_the_new(tmp_path):
    old = take(tmp_path, beat_seconds=60)
    foreign(tmp_path, number=2)
    (tmp_path / "lease.000002").write_text(json.dumps({"given_back": True}))
    assert holder(tmp_path) is None
    new = take(tmp_path)
    assert new.number == 3
    assert not old.held()
    new.give_back()


def test_an_owner_beats(tmp_path):
    lease = take(tmp_path, beat_seconds=QUICK)
    first, deadline = holder(tmp_path).beat, time.monotonic() + 10
    while holder(tmp_path).beat == first and time.monotonic() < deadline:
        time.sleep(QUICK)
    assert holder(tmp_path).beat > first
    lease.give_back()


def test_a_process_that_has_another_ones_number_is_not_it(tmp_path, monkeypatch):
    lease = take(tmp_path)
    record = json.loads((tmp_path / "lease.000001").read_text())
    (tmp_path / "lease.000001").write_text(json.dumps({**record, "began": record["began"] - 100}))
    assert holder(tmp_path).gone
    monkeypatch.setattr(leases, "this_machine", lambda: "another")
    assert not holder(tmp_path).gone
    lease.give_back()


def test_a_clock_that_is_set_frees_no_lease(tmp_path, monkeypatch):
    """By the time of day, a process seems to have begun at another moment then."""
    lease = take(tmp_path)
    monkeypatch.setattr("psutil.Process.create_time", lambda process: 0.0)
    monkeypatch.setattr("time.time", lambda: 0.0)
    assert not holder(tmp_path).gone
    assert take(tmp_path) is None
    lease.give_back()


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="no lease can be taken"):
        take(tmp_path / "file" / "run")


def test_a_lease_never_waits_for_the_disk_and_one_that_a_power_loss_tore_grows_stale(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr("bench.records.os.fsync", synced.append)
    lease = take(tmp_path)
    lease.give_back()
    assert synced == []
    (tmp_path / "lease.000002").write_bytes(b"")
    now = [0.0]
    watch = Watch(clock=lambda: now[0])
    assert watch.free(tmp_path) == (False, None)
    now[0] = leases.EXPIRY_SECONDS + 1
    free, mark = watch.free(tmp_path)
    assert free
    assert take(tmp_path, stale=mark).number == 3
