"""A search whose trials run as tasks of an array, or on Ray: the same trials as in this process, one at a time."""

from dataclasses import replace
from pathlib import Path

import pytest

from bench.scheduling.execute import InProcess
from bench.scheduling.jobs import Setting
from bench.scheduling.ray_jobs import RayWorkers
from bench.scheduling.suite_run import make_executor
from bench.search.driver import search
from bench.store import Store
from bench.suite.suite import load_suite
from tests.tiny import SUITE, write_root, write_suite

ROOT = Path(__file__).parents[2]
SEARCH = SUITE.replace("protocols: [lfw, ytf, cfp_fp]}", "protocols: [lfw], validation: {identities: 0.5, pairs: 60}}")
SEARCH = SEARCH.replace("grid: {enhancement.strength: [0, 0.1]}\n", "") + "search: {trials: 3}\n"
SLURM = "executor: {name: slurm, cluster: local, device: cpu, at_once: 1}"


def found(suite, store, executor):
    """What the search tried: (state, runs, values) by trial."""
    (study,) = search(suite, store, executor=executor)
    return [(trial.state, trial.runs, trial.values) for trial in study.trials]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clusters")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_CACHE", str(folder / "cache"))
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.delenv("RAY_ADDRESS", raising=False)
        write_root(folder / "root")
        yield folder


@pytest.fixture(scope="module")
def expected(place):
    return found(load(place, SEARCH), Store(place / "here"), InProcess())


def load(place, text):
    return load_suite(write_suite(place / "search.yaml", place / "root", text))


def test_trials_run_as_tasks_of_an_array(place, expected):
    suite = load(place, SEARCH.replace("executor: {device: cpu, slots: 2}", SLURM))
    executor = make_executor(suite.executor, 1)
    executor = replace(executor, cluster=replace(executor.cluster, look_seconds=0.5), hear_seconds=0.05)
    store = Store(place / "array")
    assert found(suite, store, executor) == expected
    assert len(list((store.root / "slurm").glob("*/array.json"))) == 4  # the baseline, then a trial at a time


def test_trials_run_on_ray(place, expected):
    executor = RayWorkers(Setting("cpu", 1), None, slots=1)
    assert found(load(place, SEARCH), Store(place / "ray"), executor) == expected
