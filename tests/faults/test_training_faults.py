"""What goes wrong in a training itself: no memory, a step that never ends, a loss that is not a number."""

import json

import pytest
import torch

from bench.report.results import load_results
from bench.scheduling.jobs import Job
from bench.scheduling.worker import run_job
from bench.store import Store
from tests.faults.commands import SUITE, events, weights
from tests.faults.in_process import ONE, attempt, plan_of

WIDTHS = "grid: {backbone.width: [3000, 4]}"

NO_MEMORY = """\
import resource
from pathlib import Path

has = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (has + 400 * 2**20, resource.getrlimit(resource.RLIMIT_AS)[1]))
"""

STUCK = """\
import time
from bench.training.loop import Training
step = Training._train_step

def stuck(training):
    if training.config["enhancement"] is None and training.step == 3:
        time.sleep(6000)
    step(training)

Training._train_step = stuck
"""


def states(place):
    frame = load_results(Store(place.folder / "results"), ["tiny"]).set_index("strength")
    return {strength: (row["status"], row["error"]) for strength, row in frame.iterrows()}


def test_a_run_without_memory_fails_with_its_peak_and_advice_and_the_others_go_on(place):
    place.in_workers = NO_MEMORY
    text = SUITE.replace("grid: {enhancement.strength: [0, 0.1]}", WIDTHS)
    said = place.run("run", place.suite(text.replace("slots: 2", "slots: 1")), "--no-track", expect=1).stderr
    assert "out of memory: peak " in said
    results = Store(place.folder / "results")
    (failed,) = [run for run in results.run_ids() if results.failure(run)]
    failure = results.failure(failed)
    assert failure["reason"] == "oom"
    assert failure["peak_bytes"] > 2**27
    assert "try recipe.micro_batch 8" in failure["error"]
    assert len(weights(results.root)) == 1
    assert [event["kind"] for event in events(results.run_folder(failed))] == ["started", "failed"]


def test_a_gpu_without_memory_is_out_of_memory_too(stages, tmp_path, monkeypatch):
    def step(training):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nGPU 0 has …")

    store = stages.copy("begun", tmp_path / "results")
    with monkeypatch.context() as patch:
        patch.setattr("bench.training.loop.Training._train_step", step)
        (error,) = attempt(plan_of(stages.place), store).values()
    assert error.startswith("out of memory: peak ")
    assert error.endswith("(CUDA out of memory. Tried to allocate 2.00 GiB.)")
    assert attempt(plan_of(stages.place), store) == {}
    assert weights(store.root) == stages.weights


@pytest.fixture
def half_a_gib():
    torch.cuda.set_per_process_memory_fraction(2**29 / torch.cuda.get_device_properties(0).total_memory)
    yield
    torch.cuda.set_per_process_memory_fraction(1.0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_real_gpu_without_memory_says_what_it_had_and_works_on(place, tmp_path, half_a_gib):
    store = Store(tmp_path / "results")
    told = []
    for run in plan_of(place, SUITE.replace("grid: {enhancement.strength: [0, 0.1]}", WIDTHS)).runs:
        value = {
            "run": run.run, "config": run.config, "evaluations": run.evaluations, "protocols": run.protocols,
            "options": run.options,
        }  # fmt: skip
        run_job(Job((value,), str(store.root), str(place.cache)), "cuda", told.append, lambda: False)
    ends = [event for event in told if event["kind"] in ("failed", "done")]
    assert [event["kind"] for event in ends] == ["failed", "done"]
    assert "GiB on the GPU" in ends[0]["error"]
    assert store.failure(ends[0]["run"])["peak_gpu_bytes"] > 0


def test_a_worker_that_is_stuck_in_a_step_is_killed_tried_again_then_failed_and_the_others_go_on(place):
    place.in_workers = STUCK
    words = ["--no-track", "--set", "executor.hang_seconds=20", "--set", "executor.retries=1"]
    place.run("run", place.suite(), *words, expect=1)
    found = states(place)
    assert found[0.1][0] == "done"
    assert found[0.0] == ("failed", "the worker process said nothing for 20 s and was killed, 2 times")
    store = Store(place.folder / "results")
    (stuck,) = [run for run in store.run_ids() if store.failure(run)]
    assert store.failure(stuck)["reason"] == "hang"
    assert [event["kind"] for event in events(store.run_folder(stuck))] == [
        "started", "retry", "started", "failed",
    ]  # fmt: skip


def test_a_loss_that_is_no_number_names_its_step_and_is_not_tried_again(place):
    text = ONE.replace("lr: 0.05", "lr: 1.0e+9").replace("  batch: 16", "  batch: 16\n  clip_gradient: null")
    store, told = Store(place.folder / "results"), []
    for _ in range(2):  # `bench run` again tries once again
        (error,) = attempt(plan_of(place, text), store, told.append).values()
        assert "not finite at step " in error
    assert [event["kind"] for event in told if event["kind"] in ("started", "failed")] == ["started", "failed"] * 2
    (run,) = store.run_ids()
    assert store.failure(run)["reason"] == "not finite"


def test_a_long_evaluation_tells_that_it_lives(stages, tmp_path, monkeypatch):
    """So that ``hang_seconds`` need not be longer than a whole protocol takes."""
    monkeypatch.setattr("bench.evaluation.embed.BATCH", 4)
    monkeypatch.setattr("bench.scheduling.evaluate_run.TELL_SECONDS", 0.0)
    store, told = stages.copy("trained", tmp_path / "results"), []
    assert attempt(plan_of(stages.place), store, told.append) == {}
    embedding = [event for event in told if event["kind"] == "embedding"]
    assert [event["done"] for event in embedding if event["protocol"] == "lfw"] == [4, 8, 12, 16, 20, 24, 28, 31]
    assert {event["total"] for event in embedding if event["protocol"] == "lfw"} == {31}
    assert json.dumps(told)
