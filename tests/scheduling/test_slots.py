"""Slots and the process pool, with fake devices and fake work."""

import multiprocessing
import os
import signal
import threading
import time

import pytest

from bench.errors import DeviceError
from bench.scheduling.execute import LocalProcesses
from bench.scheduling.jobs import Job
from bench.scheduling.slots import Slot, make_slots
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
    slots = make_slots("auto", share=0.5, gpus=["0", "1"])
    assert [slot.mask for slot in slots] == ["0", "1", "0", "1"]
    assert {(slot.device, slot.memory) for slot in slots} == {("cuda", None)}
    assert [slot.mask for slot in make_slots("auto", share=0.5, most=3, gpus=["0", "1"])] == ["0", "1", "0"]


def test_without_gpus_there_is_a_slot_a_core_and_they_are_counted_unless_slots_are_given():
    slots = make_slots("cpu", gpus=["0"], cores=8)
    assert [(slot.device, slot.mask, slot.cores) for slot in slots] == [("cpu", "", 8)] * 8
    assert [slot.cores for slot in make_slots("auto", most=3, gpus=[], cores=2)] == [None] * 3


def test_a_run_of_several_processes_has_a_gpu_for_each():
    slots = make_slots("auto", processes=2, gpus=["0", "1", "2", "3", "4"])
    assert [slot.mask for slot in slots] == ["0,1", "2,3"]
    assert len(make_slots("auto", share=0.5, processes=2, gpus=["0", "1"])) == 2
    with pytest.raises(DeviceError, match="a run of 3 processes needs a GPU for each; visible here: 2"):
        make_slots("auto", processes=3, gpus=["0", "1"])


def test_asking_for_cuda_where_there_is_none_is_an_error():
    with pytest.raises(DeviceError, match="no GPU is visible"):
        make_slots("cuda", gpus=[])


def test_six_runs_on_two_half_shared_gpus_run_four_at_a_time(tmp_path):
    slots = make_slots("auto", share=0.5, gpus=["0", "1"])
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
    slots = make_slots("auto", most=2, gpus=[])
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
    slots = make_slots("auto", most=2, gpus=[])
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
    LocalProcesses(make_slots("auto", most=1, gpus=[]), main=fake_main).run(
        jobs(), lambda event: seen.append((event["kind"], len(asked)))
    )
    assert [count for kind, count in seen if kind == "started"] == [1, 2, 3, 4]


def test_an_interrupt_ends_the_workers(tmp_path):
    def hear(event):
        raise KeyboardInterrupt

    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        LocalProcesses(make_slots("auto", most=2, gpus=[]), main=fake_main).run(
            iter([job("a", tmp_path), job("b", tmp_path)]), hear
        )
    assert time.monotonic() - begun < 15
    assert threading.active_count() < 10


def nvidia_smi(folder, monkeypatch, *sizes):
    """Puts a program on the path that says so many MiB of each GPU."""
    program = folder / "nvidia-smi"
    rows = "\n".join(f"GPU-{i}{i}{i}, {size}" for i, size in enumerate(sizes))
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{rows}\nEND\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_a_gpu_that_is_shared_by_measure_has_a_slot_a_core_and_its_memory(tmp_path, monkeypatch):
    nvidia_smi(tmp_path, monkeypatch, 1000, 3000)
    slots = make_slots("auto", share="auto", gpus=["0", "1"], cores=5)
    assert [slot.mask for slot in slots] == ["0", "1", "0", "1", "0", "1"]
    assert {slot.memory for slot in slots} == {1000 * 2**20}  # a number may mean either of the two
    slots = make_slots("auto", share="auto", most=3, gpus=["GPU-1", "GPU-000"], cores=5)
    assert [(slot.mask, slot.memory) for slot in slots] == [
        ("GPU-1", 3000 * 2**20),
        ("GPU-000", 1000 * 2**20),
        ("GPU-1", 3000 * 2**20),
    ]


@pytest.mark.parametrize("size", ["[N/A]", "1000"])
def test_a_gpu_of_unknown_memory_cannot_be_shared_by_measure(tmp_path, monkeypatch, size):
    nvidia_smi(tmp_path, monkeypatch, size)
    with pytest.raises(DeviceError, match="does not tell the memory of GPU MIG-1; give a number"):
        make_slots("auto", share="auto", gpus=["MIG-1"])


def measuring_main(pipe, device, mask):
    """Tells a peak of 4 GiB after its first epoch, and is done when it hears so."""
    while (work := pipe.recv()) is not None:
        name = work.runs[0]["run"]
        pipe.send({"run": name, "kind": "started"})
        pipe.send({"run": name, "kind": "epoch", "peak_gpu_bytes": 4 * 2**30})
        pipe.recv()
        pipe.send({"run": name, "kind": "done"})
        pipe.send({"kind": "idle"})


def test_processes_are_admitted_to_a_gpu_once_the_first_has_told_its_peak(tmp_path):
    slots = [Slot(i, "cuda", "0", memory=10 * 2**30) for i in range(4)]
    jobs = (Job(({"run": f"r{i}"},), str(tmp_path), "", ask=True, shape="a") for i in range(5))
    told = []
    LocalProcesses(slots, main=measuring_main).run(jobs, lambda event: told.append((event["run"], event["kind"])))
    assert told[:2] == [("r0", "started"), ("r0", "epoch")]
    begun = ended = 0
    for _, kind in told:
        begun, ended = begun + (kind == "started"), ended + (kind == "done")
        assert begun - ended <= 2
    assert begun == ended == 5


def test_a_process_that_died_while_idle_is_replaced_and_counts_against_no_run(tmp_path):
    def jobs():
        yield job("r0", tmp_path)
        for worker in multiprocessing.active_children():
            worker.join()
        yield job("r1", tmp_path)

    events = []
    LocalProcesses(make_slots("auto", most=1, gpus=[]), retries=0, main=leaving_main).run(jobs(), events.append)
    assert [(event["run"], event["kind"]) for event in events] == [("r0", "done"), ("r1", "done")]


def leaving_main(pipe, device, mask):
    """Does one run, then is gone before it can be told another."""
    name = pipe.recv().runs[0]["run"]
    pipe.send({"run": name, "kind": "done"})
    pipe.send({"kind": "idle"})
