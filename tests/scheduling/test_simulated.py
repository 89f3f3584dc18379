"""The simulation of the benchmark, small: every run ends once, whatever dies, hangs or is lost."""

import random

import pytest

from benchmarks.simulated import Fleet, Sharers, make_runs


@pytest.mark.parametrize("seed", range(4))
def test_fifty_workers_with_deaths_hangs_slow_beats_and_lost_machines_end_every_run_once(seed):
    draw = random.Random(seed)
    fleet = Fleet(13, make_runs(300, draw), draw)
    fleet.run()
    assert set(fleet.ended.values()) == {1}
    assert len(fleet.ended) == 300
    assert {"done", "death", "hang", "lost with its machine"} <= fleet.happened.keys()


@pytest.mark.parametrize("seed", range(2))
def test_schedulers_that_share_a_folder_train_every_run_once_though_machines_stand_still_or_are_lost(tmp_path, seed):
    sharers = Sharers(tmp_path, schedulers=6, runs=25, draw=random.Random(seed))
    sharers.run()
    assert set(sharers.trained.values()) == {1}
    assert len(sharers.trained) == 25
    assert {"taken over", "stood still", "held elsewhere"} <= sharers.happened.keys()
