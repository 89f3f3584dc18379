"""Kill −9 of a worker, the scheduler or both, at random moments, again and again: nothing is lost."""

import os
import random
import signal
import time
from collections import Counter

from tests.faults.commands import (
    CHECKPOINT_EVERY_STEP,
    PATIENCE,
    SLOW_STEPS,
    SUITE,
    events,
    nothing_left,
    of_group,
    wait_for,
    weights,
    workers,
)

KILLS = {"worker": 36, "scheduler": 7, "both": 7}
RUNS = 8
LONGER = SUITE.replace("[0, 0.1]", "[0, 0.1, 0.2, 0.3]").replace("epochs: 2", "epochs: 30")
SUITE_OF_MANY = LONGER.replace("name: tiny\n", "name: tiny\nseeds: [0, 1]\n")


def checkpoints(results):
    """Which checkpoint each run has: every one is another file."""
    files = (results / "runs").glob("*/checkpoint/training.safetensors")
    found = {}
    for file in files:
        try:
            found[file.parent.parent.name] = file.stat().st_ino, file.stat().st_mtime_ns
        except FileNotFoundError:  # between two
            continue
    return found


def test_fifty_kills_change_no_bit_and_leave_nothing_behind(place):
    draw = random.Random(5)
    suite, results = place.suite(SUITE_OF_MANY), place.folder / "results"
    place.run("run", suite, "--no-track", "--results", "undisturbed")
    words = ["run", suite, "--no-track", "--set", "executor.retries=10"]
    order = [victim for victim, count in KILLS.items() for _ in range(count)]
    draw.shuffle(order)
    order.append(order.pop(order.index("both")))
    missed, groups = 0, []
    with (place.folder / "said.txt").open("w+") as log:

        def start():
            process = place.start(*words, stdout=log, stderr=log)
            groups.append(process.pid)
            return process

        place.in_workers = CHECKPOINT_EVERY_STEP + SLOW_STEPS
        process = start()
        for victim in order:
            before, anywhere = checkpoints(results), draw.random() < 0.2
            while True:  # until there was somebody to kill

                def moment(before=before, anywhere=anywhere):
                    """Who works; unless it may be at any moment, only those with another checkpoint than before."""
                    now = checkpoints(results)
                    return {p for p, r in workers(results).items() if anywhere or now.get(r) not in (None, before.get(r))}

                pids = wait_for(moment, process)
                time.sleep(draw.uniform(0, 0.05))
                try:
                    if victim == "worker":
                        os.kill(draw.choice(sorted(pids)), signal.SIGKILL)
                    elif victim == "scheduler":
                        os.kill(process.pid, signal.SIGKILL)
                    else:
                        os.killpg(process.pid, signal.SIGKILL)
                    break
                except ProcessLookupError:
                    missed += 1
            if victim != "worker":
                assert process.wait(PATIENCE) == -signal.SIGKILL
                if len(groups) == KILLS["scheduler"] + KILLS["both"]:
                    place.in_workers = "pass"  # nobody is killed any more
                process = start()
        ended = process.wait(PATIENCE)
        log.seek(0)
        said = log.read()

    told = {run.name: events(run) for run in (results / "runs").glob("*")}
    kinds = Counter(event["kind"] for run in told.values() for event in run)
    mid_epoch = sum(event["kind"] == "resumed" and event["step"] > 0 for run in told.values() for event in run)
    summary = f"kills {KILLS}, missed {missed}; events {dict(kinds)}; {mid_epoch} resumed at a step > 0 of an epoch"
    print(summary)  # noqa: T201
    assert ended == 0, said
    assert "Traceback" not in said, said
    assert place.table() == place.table("undisturbed")
    assert weights(results) == weights(place.folder / "undisturbed")
    assert len(weights(results)) == RUNS
    assert mid_epoch >= 25, summary
    assert not kinds["failed"], summary
    # Each kill of a worker alone is told, or its scheduler was killed before it could; each other one was seen above.
    assert KILLS["worker"] - KILLS["scheduler"] - KILLS["both"] <= kinds["retry"] <= KILLS["worker"], summary
    wait_for(lambda: not [member for group in groups for member in of_group(group)])
    nothing_left(results)
