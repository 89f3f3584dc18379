"""Being asked to end: as preempting clusters, a closed terminal and an impatient user do."""

import os
import signal

import pytest

from tests.faults.commands import (
    PATIENCE,
    SLOW_STEPS,
    SUITE,
    Place,
    events,
    nothing_left,
    of_group,
    wait_for,
    weights,
    workers,
)

LONGER = SUITE.replace("epochs: 2", "epochs: 20")
STUCK = """\
import time
from bench.training.loop import Training
step = Training._train_step

def stuck(training):
    if training.config["enhancement"] is None:
        time.sleep(6000)
    time.sleep(0.03)
    step(training)

Training._train_step = stuck
"""


def of_kind(results, kind):
    return [event for folder in (results / "runs").glob("*") for event in events(folder) if event["kind"] == kind]


@pytest.fixture(scope="module")
def undisturbed(shared_root, tmp_path_factory):
    place = Place(tmp_path_factory.mktemp("undisturbed"), *shared_root)
    place.run("run", place.suite(LONGER), "--no-track")
    return place.table(), weights(place.folder / "results")


@pytest.mark.parametrize(
    ("sent", "to", "how"),
    [
        (signal.SIGTERM, os.kill, []),
        (signal.SIGTERM, os.killpg, []),
        (signal.SIGHUP, os.killpg, []),
        (signal.SIGTERM, os.kill, ["--inline"]),
    ],
)
def test_a_command_that_is_asked_to_end_checkpoints_and_goes_on_later_to_the_same_bits(
    place, undisturbed, sent, to, how
):
    results = place.folder / "results"
    words = ["run", place.suite(LONGER), "--no-track"]
    place.everywhere, place.in_workers = (SLOW_STEPS, "pass") if how else ("", SLOW_STEPS)
    process = place.start(*words, *how)
    wait_for(lambda: of_kind(results, "epoch"), process)
    to(process.pid, sent)
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 128 + sent, said
    assert "run the same command again to go on" in said
    assert "Traceback" not in said
    wait_for(lambda: not of_group(process.pid))  # the fork server ends a moment after
    nothing_left(results)
    stopped = of_kind(results, "stopped")
    assert 1 <= len(stopped) <= 2
    assert not weights(results)
    place.everywhere, place.in_workers = "", "pass"
    place.run(*words, *how)
    assert len(of_kind(results, "resumed")) == len(stopped)
    assert all((event["epoch"], event["step"]) > (1, 0) for event in of_kind(results, "resumed"))
    assert place.table() == undisturbed[0]
    assert weights(results) == undisturbed[1]


@pytest.mark.parametrize(("grace", "signals"), [(1.0, [signal.SIGTERM]), (6000.0, [signal.SIGINT, signal.SIGINT])])
def test_a_worker_that_does_not_obey_is_killed_after_a_while_or_by_a_second_signal(place, grace, signals):
    results = place.folder / "results"
    place.everywhere = f"import bench.scheduling.execute\nbench.scheduling.execute.GRACE_SECONDS = {grace}"
    place.in_workers = STUCK
    process = place.start("run", place.suite(SUITE.replace("epochs: 2", "epochs: 2000")), "--no-track")
    wait_for(lambda: of_kind(results, "epoch") and len(workers(results)) == 2, process)
    process.send_signal(signals[0])
    wait_for(lambda: of_kind(results, "stopped"))  # the other one obeys
    for again in signals[1:]:
        process.send_signal(again)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 128 + signals[0]
    wait_for(lambda: not of_group(process.pid))  # the fork server ends a moment after


def test_a_worker_alone_that_is_asked_to_end_checkpoints_and_its_run_is_gone_on_with(place, undisturbed):
    results = place.folder / "results"
    place.in_workers = SLOW_STEPS
    process = place.start("run", place.suite(LONGER), "--no-track")
    wait_for(lambda: of_kind(results, "epoch"), process)
    os.kill(min(workers(results)), signal.SIGTERM)
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, said
    assert "the worker process died (exit code 0)" in said
    kinds = {event["kind"] for event in of_kind(results, "retry") + of_kind(results, "stopped")}
    assert kinds == {"retry", "stopped"}
    assert place.table() == undisturbed[0]
    assert weights(results) == undisturbed[1]
