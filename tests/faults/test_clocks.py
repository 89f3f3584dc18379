"""Clocks that are set while everything runs: no lease, retry, order or report looks at them."""

import os
import signal

from tests.faults.commands import (
    CHECKPOINT_EVERY_STEP,
    PATIENCE,
    SLOW_STEPS,
    SUITE,
    events,
    nothing_left,
    wait_for,
    weights,
)

JUMPS = """\
import random
import time

import psutil

told, draw = time.time, random.Random()
time.time = lambda: told() + draw.uniform(-3, 3) * 86400
time.time_ns = lambda: int(time.time() * 1e9)
if hasattr(psutil, "_pslinux"):  # setting the clock moves the time at which the machine seems to have started
    psutil._pslinux.boot_time = lambda: 1e9 + draw.uniform(-3, 3) * 86400
"""


def test_clocks_that_jump_by_days_change_nothing(place):
    suite, results = place.suite(SUITE.replace("epochs: 2", "epochs: 6")), place.folder / "results"
    place.run("run", suite, "--no-track", "--results", "undisturbed")
    place.everywhere, place.in_workers = JUMPS, CHECKPOINT_EVERY_STEP + SLOW_STEPS
    process = place.start("run", suite, "--no-track")
    wait_for(lambda: list(results.glob("runs/*/checkpoint/training.previous.safetensors")), process)
    os.kill(process.pid, signal.SIGKILL)  # its workers live on for a moment: their leases must not seem free
    process.communicate(timeout=PATIENCE)
    place.run("run", suite, "--no-track")
    assert place.table() == place.table("undisturbed")
    assert weights(results) == weights(place.folder / "undisturbed")
    times = []
    for folder in (results / "runs").glob("*"):
        told = events(folder)
        assert [event["epoch"] for event in told if event["kind"] == "epoch"] == [1, 2, 3, 4, 5, 6]
        assert not [event for event in told if event["kind"] == "retry"]
        times += [event["time"] for event in told]
    assert max(times) - min(times) > 86400, "the clocks did jump"
    nothing_left(results)
