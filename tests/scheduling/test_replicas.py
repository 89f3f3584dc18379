"""Runs of several processes through the scheduler: what they give, and that no fault leaves a process behind."""

import json
import multiprocessing as mp
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

from bench.data.packed import open_packed
from bench.errors import DeviceError
from bench.scheduling import replicas
from bench.scheduling.failures import ReplicaFailedError, failure_of
from bench.scheduling.leases import holder
from bench.scheduling.plan import make_plan
from bench.scheduling.replicas import team_for
from bench.scheduling.suite_run import run_plan
from bench.store import Store
from bench.suite.suite import load_suite
from bench.training.loop import Training
from tests.tiny import SUITE, write_root, write_suite

CPU = torch.device("cpu")
TEXT = (
    SUITE.replace("small_cnn,", "small_cnn_groupnorm,")
    .replace("grid: {enhancement.strength: [0, 0.1]}", "")
    .replace("epochs: 2", "epochs: 12")
    .replace("slots: 2", "slots: 1, processes: 2")
)


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    folder = tmp_path_factory.mktemp("place")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_CACHE", str(folder / "cache"))
        suite = write_suite(folder / "tiny.yaml", write_root(folder / "root"), TEXT)
        yield lambda *overrides: make_plan(load_suite(suite, overrides))


@pytest.fixture(scope="module")
def straight(plan, tmp_path_factory):
    """The undisturbed run of two processes."""
    store = Store(tmp_path_factory.mktemp("straight"))
    assert run_plan(plan(), store, command="") == {}
    return store


def events_of(store):
    path = next(store.root.glob("runs/*/events.jsonl"))
    return [json.loads(line) for line in path.read_text().splitlines()]


def weights_of(store, plan):
    folder = store.checkpoint_folder(plan.runs[0].run)
    return [(folder / f"{name}.safetensors").read_bytes() for name in ("backbone", "head")]


def family(store, plan):
    """The process that holds the run, and all others that it brought."""
    first = psutil.Process(holder(store.run_folder(plan.runs[0].run)).pid)
    return first, first.children(recursive=True)


def replica_of(first, others):
    return next(process for process in others if process.ppid() != first.pid)


def gone(processes):
    return psutil.wait_procs(processes, timeout=120)[1] == []


def test_two_processes_measure_what_one_does(plan, straight, tmp_path):
    alone, store = plan("executor.processes=1"), Store(tmp_path)
    assert run_plan(alone, store, command="") == {}
    one, two = (place.result(alone.runs[0].run) for place in (store, straight))
    assert [found["execution_class"]["world_size"] for found in (one, two)] == [1, 2]
    assert two["metrics"]["loss"] == pytest.approx(one["metrics"]["loss"], rel=1e-4)
    for protocol, evaluation in alone.runs[0].evaluations.items():
        ours, theirs = (place.evaluation(alone.runs[0].run, evaluation)["metrics"] for place in (store, straight))
        known = [name for name, value in ours.items() if value is not None]
        assert known, protocol
        assert [theirs[name] for name in known] == pytest.approx([ours[name] for name in known], rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("victim", ["a replica", "the first process"])
def test_a_process_that_is_killed_ends_all_of_them_and_the_run_is_tried_again_to_the_same_bits(
    plan, straight, tmp_path, victim
):
    planned, store, met, kinds = plan(), Store(tmp_path), [], []

    def hear(event):
        kinds.append(event["kind"])
        if event["kind"] == "epoch" and not met:
            first, others = family(store, planned)
            met.extend([first, *others])
            (replica_of(first, others) if victim == "a replica" else first).kill()

    assert run_plan(planned, store, command="", on_event=hear) == {}
    assert kinds.count("retry") == 1
    assert weights_of(store, planned) == weights_of(straight, planned)
    assert gone(met)
    told = [event["text"] for event in events_of(store) if event["kind"] == "warning"]
    assert told == (["process 1 of 2 died (killed by signal 9)"] if victim == "a replica" else [])


def test_an_interrupted_run_saves_once_for_all_and_goes_on_to_the_same_bits(plan, straight, tmp_path):
    planned, store, met = plan(), Store(tmp_path), []

    def hear(event):
        if event["kind"] == "epoch":
            first, others = family(store, planned)
            met.extend([first, *others])
            for process in (first, replica_of(first, others)):  # as a cluster's manager tells all of a job
                process.send_signal(signal.SIGTERM)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_plan(planned, store, command="", on_event=hear)
    assert gone(met)
    assert run_plan(planned, store, command="") == {}
    kinds = [event["kind"] for event in events_of(store)]
    assert kinds.index("stopped") < kinds.index("resumed")
    assert weights_of(store, planned) == weights_of(straight, planned)


def team_of_two(plan, tmp_path, **recipe):
    """A team whose replica has a recipe with these changes, and what its first process trains by."""
    config, cache = plan().runs[0].config, Path(os.environ["BENCH_CACHE"])
    other = {**config, "recipe": {**config["recipe"], **recipe}}
    team = team_for(other, cache=cache, checkpoint=tmp_path / "c.safetensors", device=CPU, processes=2)
    images = open_packed(cache, config["train"]["digest"])
    return team, lambda team: Training(
        config, images, np.arange(len(images.labels)), images.labels,
        device=CPU, checkpoint=tmp_path / "c.safetensors", tell=lambda event: None, team=team,
    )  # fmt: skip


def test_the_failure_of_a_replica_is_that_of_the_run(plan, tmp_path):
    team, training = team_of_two(plan, tmp_path, schedule={"name": "constant "})
    with pytest.raises(ReplicaFailedError) as caught, team as members:
        training(members).run()
    failure = failure_of(caught.value, {})
    assert failure["error"] == "process 1: ValueError: no schedule is called 'constant '"
    assert failure["reason"] == "bug"
    assert "Traceback" in failure["traceback"]
    assert not mp.active_children()


def test_a_replica_that_cannot_even_begin_says_why(plan, tmp_path):
    config = plan().runs[0].config
    with (
        pytest.raises(ReplicaFailedError, match=r"^process 1: .*packed"),
        team_for(config, cache=tmp_path, checkpoint=tmp_path / "c", device=CPU, processes=2),
    ):
        raise AssertionError("nobody is there to train with")
    assert not mp.active_children()


def test_an_error_of_the_first_process_alone_is_told_as_it_is(plan, tmp_path, monkeypatch):
    monkeypatch.setattr(replicas, "NOTICE_SECONDS", 0.2)
    team, training = team_of_two(plan, tmp_path)

    def fails():
        with team as members:
            training(members)
            raise RuntimeError("of its own")

    with pytest.raises(RuntimeError, match="of its own"):
        fails()
    assert not mp.active_children()


def test_fewer_gpus_than_processes_are_refused_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    with (
        pytest.raises(DeviceError, match="a run of 2 processes needs a GPU for each; visible here: 1"),
        team_for({}, cache=tmp_path, checkpoint=tmp_path, device=torch.device("cuda"), processes=2),
    ):
        raise AssertionError("there is no such team")


STUCK = """
import json, multiprocessing, sys, time
from pathlib import Path
import torch
from bench.scheduling import replicas

if __name__ == "__main__":
    replicas.LEAVE_SECONDS = 0.5
    config, cache = json.loads(sys.argv[1]), Path(sys.argv[2])
    with replicas.team_for(config, cache=cache, checkpoint=cache / "c", device=torch.device("cpu"), processes=2):
        multiprocessing.active_children()[0].kill()
        time.sleep(600)
"""


def test_a_first_process_that_waits_for_a_dead_one_for_ever_is_ended(plan, tmp_path):
    script = tmp_path / "stuck.py"
    script.write_text(STUCK)
    words = [sys.executable, str(script), json.dumps(plan().runs[0].config), os.environ["BENCH_CACHE"]]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 1, done.stderr
    assert "another process of this run is gone" in done.stderr


ORPHAN = """
import os, sys, time
from pathlib import Path
import torch
from bench.scheduling import replicas

def stuck(pipe, task):
    pipe.send(replicas.READY)
    print(os.getpid(), flush=True)
    time.sleep(600)

replicas._train = stuck
if __name__ == "__main__":
    here = Path(sys.argv[1])
    with replicas.team_for({}, cache=here, checkpoint=here, device=torch.device("cpu"), processes=2):
        pass
"""


def test_a_replica_that_is_stuck_leaves_when_the_first_process_dies(tmp_path):
    """It would not notice by a broken group, as NCCL lets it wait."""
    script = tmp_path / "orphan.py"
    script.write_text(ORPHAN)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    words = [sys.executable, str(script), str(tmp_path)]
    with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True) as first:
        replica = psutil.Process(int(first.stdout.readline()))
        first.kill()
    assert gone([replica])
