"""Slots and the process pool, with fake devices and fake work."""

import os
import signal
import threading
import time

import pytest

from bench.errors import DeviceError
from bench.scheduling.execute import LocalProcesses
from bench.scheduling.jobs import Job
from bench.scheduling.slots import make_slots
from bench.store import Store


def job(name, tmp_path):
    return Job(({"run": name},), str(tmp_path), "")


def fake_main(pipe, device, mask):
    """Says where it is, works a moment, dies of signal 9 for a run called ``die``, says no more for one ``hang``."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    while (work := pipe.recv()) is not None:
        name = work.runs[0]["run"]
        pipe.send({"run": name, "kind": "started", "mask": mask, "device": device})
        if name.startswith("die"):
            os.kill(os.getpid(), signal.SIGKILL)
        if name.startswith("hang"):
            time.sleep(600)
        time.sleep(0.3)
        pipe.send({"run": name, "kind": "done", "mask": mask})
        pipe.send({"kind": "idle"})


def test_gpus_are_shared_and_masked():
    slots = make_slots("auto", share=0.5, threads=1, gpus=["0", "1"])
    assert [slot.mask for slot in slots] == ["0", "0", "1", "1"]
    assert {slot.device for slot in slots} == {"cuda"}
    assert len(make_slots("auto", share=0.5, most=3, threads=1, gpus=["0", "1"])) == 3


def test_cpu_slots_are_cores_by_threads():
    assert len(make_slots("cpu", threads=2, gpus=["0"], cores=8)) == 4
    assert len(make_slots("auto", threads=16, gpus=[], cores=8)) == 1
    assert len(make_slots("auto", most=3, threads=1, gpus=[], cores=8)) == 3


def test_asking_for_cuda_where_there_is_none_is_an_error():
    with pytest.raises(DeviceError, match="no GPU is visible"):
        make_slots("cuda", threads=1, gpus=[])


def test_six_runs_on_two_half_shared_gpus_run_four_at_a_time(tmp_path):
    slots = make_slots("auto", share=0.5, threads=1, gpus=["0", "1"])
    now, most, masks = set(), [], {}

    def hear(event):
        if event["kind"] == "started":
            now.add(event["run"])
            masks[event["run"]] = event["mask"]
        elif event["kind"] == "done":
            now.discard(event["run"])
        most.append(len(now))

    LocalProcesses(slots, main=fake_main).run(iter([job(f"r{i}", tmp_path) for i in range(6)]), hear)
    assert max(most) == 4
    assert sorted(masks.values())[:2] == ["0", "0"]
    assert set(masks.values()) == {"0", "1"}
    assert len(masks) == 6


def test_a_worker_that_dies_is_replaced_its_job_tried_again_then_failed_and_the_others_go_on(tmp_path):
    events = []
    slots = make_slots("auto", most=2, threads=1, gpus=[])
    jobs = [job("die", tmp_path), *(job(f"r{i}", tmp_path) for i in range(3))]
    LocalProcesses(slots, retries=1, main=fake_main).run(iter(jobs), events.append)
    kinds = [event["kind"] for event in events if event["run"] == "die"]
    assert kinds == ["started", "retry", "started", "failed"]
    assert {e["run"] for e in events if e["kind"] == "done"} == {"r0", "r1", "r2"}
    error = Store(tmp_path).failure("die")["error"]
    killed = "killed by signal 9, often sent by the system when memory runs out"
    assert error == f"the worker process died ({killed}), 2 times"
    assert [event["error"] for event in Store(tmp_path).events("die") if event["kind"] == "retry"] == [
        f"the worker process died ({killed})"
    ]


def test_a_worker_that_says_nothing_is_killed_its_job_tried_again_then_failed_and_the_others_go_on(tmp_path):
    events = []
    slots = make_slots("auto", most=2, threads=1, gpus=[])
    jobs = [job("hang", tmp_path), *(job(f"r{i}", tmp_path) for i in range(3))]
    LocalProcesses(slots, retries=1, hang_seconds=2.0, main=fake_main).run(iter(jobs), events.append)
    kinds = [event["kind"] for event in events if event["run"] == "hang"]
    assert kinds == ["started", "retry", "started", "failed"]
    assert {e["run"] for e in events if e["kind"] == "done"} == {"r0", "r1", "r2"}
    error = Store(tmp_path).failure("hang")["error"]
    assert error == "the worker process said nothing for 2 s and was killed, 2 times"


def test_jobs_are_asked_for_only_when_a_slot_is_free(tmp_path):
    asked = []

    def jobs():
        for i in range(4):
            asked.append(i)
            yield job(f"r{i}", tmp_path)

    seen = []
    LocalProcesses(make_slots("auto", most=1, threads=1, gpus=[]), main=fake_main).run(
        jobs(), lambda event: seen.append((event["kind"], len(asked)))
    )
    assert [count for kind, count in seen if kind == "started"] == [1, 2, 3, 4]


def test_an_interrupt_ends_the_workers(tmp_path):
    def hear(event):
        raise KeyboardInterrupt

    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        LocalProcesses(make_slots("auto", most=2, threads=1, gpus=[]), main=fake_main).run(
            iter([job("a", tmp_path), job("b", tmp_path)]), hear
        )
    assert time.monotonic() - begun < 15
    assert threading.active_count() < 10
