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

KILLS = {"worker": 40, "scheduler": 5, "both": 5}
RUNS = 8
LONGER = SUITE.replace("[0, 0.1]", "[0, 0.1, 0.2, 0.3]").replace("epochs: 2", "epochs: 30")
SUITE_OF_MANY = LONGER.replace("name: tiny\n", "name: tiny\nseeds: [0, 1]\n")
SLOTS = 2


def checkpoints(results):
    """Which checkpoint each run has: every one is another file."""
    found = {}
    for file in (results / "runs").glob("*/checkpoint/training.safetensors"):
        try:
            found[file.parent.parent.name] = file.stat().st_ino, file.stat().st_mtime_ns
        except FileNotFoundError:  # between two
            continue
    return found


def told(results, kind):
    return [e for folder in (results / "runs").glob("*") for e in events(folder) if e["kind"] == kind]


class Killer:
    """`bench run`, started again by the same command whenever it was killed. ``kills`` counts what was killed: a worker
    (of the scheduler that lives, or an ``orphan`` of one before), a ``scheduler`` alone, or ``both``."""

    def __init__(self, place, words, log):
        self.place, self.words, self.log, self.results = place, words, log, place.folder / "results"
        self.kills, self.groups, self.untold, self.dying = Counter(), [], 0, set()
        self.start()

    def start(self):
        self.process = self.place.start(*self.words, stdout=self.log, stderr=self.log)
        self.groups.append(self.process.pid)
        self.own, self.retries = 0, len(told(self.results, "retry"))

    def kill_worker(self, pid):
        own = os.getpgid(pid) == self.process.pid
        os.kill(pid, signal.SIGKILL)
        self.dying.add(pid)  # that takes a moment, and nobody can be killed twice
        self.own += own
        self.kills["worker" if own else "orphan"] += 1

    def kill_scheduler(self, both):
        if both:
            os.killpg(self.process.pid, signal.SIGKILL)
        else:
            os.kill(self.process.pid, signal.SIGKILL)
        assert self.process.wait(PATIENCE) == -signal.SIGKILL
        self.kills["both" if both else "scheduler"] += 1
        self.count()

    def count(self):
        """A death that a scheduler could not tell any more was that of one of its workers of that moment."""
        untold = self.own - (len(told(self.results, "retry")) - self.retries)
        assert 0 <= untold <= SLOTS
        self.untold += untold


def test_fifty_kills_change_no_bit_and_leave_nothing_behind(place):
    draw = random.Random(5)
    suite, results = place.suite(SUITE_OF_MANY), place.folder / "results"
    place.run("run", suite, "--no-track", "--results", "undisturbed")
    order = [victim for victim, count in KILLS.items() for _ in range(count)]
    draw.shuffle(order)
    order.append(order.pop(order.index("both")))
    with (place.folder / "said.txt").open("w+") as log:
        place.in_workers = CHECKPOINT_EVERY_STEP + SLOW_STEPS
        killer = Killer(place, ["run", suite, "--no-track", "--set", "executor.retries=10"], log)
        for victim in order:
            before, anywhere = checkpoints(results), draw.random() < 0.2

            def moment(before=before, anywhere=anywhere):
                """Who works; unless it may be at any moment, only those with another checkpoint than before."""
                now = checkpoints(results)
                new = {run for run, file in now.items() if file != before.get(run)}
                living = {pid: run for pid, run in workers(results).items() if pid not in killer.dying}
                return {pid for pid, run in living.items() if anywhere or run in new}

            while True:
                pids = wait_for(moment, killer.process)
                time.sleep(draw.uniform(0, 0.05))
                try:
                    if victim == "worker":
                        killer.kill_worker(draw.choice(sorted(pids)))
                    else:
                        killer.kill_scheduler(both=victim == "both")
                    break
                except ProcessLookupError:  # it has ended meanwhile: another one
                    continue
            if victim != "worker":
                if len(killer.groups) == KILLS["scheduler"] + KILLS["both"]:
                    place.in_workers = "pass"  # nobody is killed any more
                killer.start()
        ended = killer.process.wait(PATIENCE)
        killer.count()
        log.seek(0)
        said = log.read()

    every = [event for folder in (results / "runs").glob("*") for event in events(folder)]
    kinds = Counter(event["kind"] for event in every)
    mid_epoch = sum(event["kind"] == "resumed" and event["step"] > 0 for event in every)
    summary = (
        f"kills {dict(killer.kills)}, {killer.untold} of them not told because the scheduler was killed too; "
        f"events {dict(kinds)}; {mid_epoch} resumed at a step > 0 of an epoch"
    )
    print(summary)  # noqa: T201
    assert ended == 0, said
    assert "Traceback" not in said, said
    assert place.table() == place.table("undisturbed")
    assert weights(results) == weights(place.folder / "undisturbed")
    assert len(weights(results)) == RUNS
    assert killer.kills.total() == KILLS["worker"] + KILLS["scheduler"] + KILLS["both"] == 50
    assert killer.kills["worker"] == kinds["retry"] + killer.untold, summary
    assert mid_epoch >= 25, summary
    assert not kinds["failed"], summary
    wait_for(lambda: not [member for group in killer.groups for member in of_group(group)])
    nothing_left(results)
