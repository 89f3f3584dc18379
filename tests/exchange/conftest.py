"""A tiny suite, trained once; what the tests write into are copies of it."""

import shutil
from types import SimpleNamespace

import pytest

from bench.exchange.export import export
from bench.report.write import write_report
from bench.scheduling.execute import InProcess
from bench.scheduling.plan import make_plan
from bench.scheduling.suite_run import run_plan
from bench.store import Store
from bench.suite.suite import load_suite
from tests.tiny import SUITE, write_root, write_suite

SMALL = (
    SUITE.replace("[lfw, ytf, cfp_fp]", "[lfw]")
    .replace("epochs: 2", "epochs: 1")
    .replace("evaluation: {far: [1e-1, 1e-3]}", "evaluation: {far: [1e-1, 1e-3], bootstrap: 20}\nseeds: 2")
)


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """``store``: suite ``tiny`` of four runs with its report; ``zip``: its export; ``cache``; ``folder``."""
    folder = tmp_path_factory.mktemp("exchange")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_CACHE", str(folder / "cache"))
        file = write_suite(folder / "tiny.yaml", write_root(folder / "root"), SMALL)
        store = Store(folder / "results")
        command = f"python -m bench run {file} --results {folder / 'results'}"
        assert run_plan(make_plan(load_suite(file)), store, command=command, executor=InProcess("cpu")) == {}
        write_report(store, "tiny")
        done = export(store, "tiny", folder / "tiny.zip")
        return SimpleNamespace(store=store, zip=folder / "tiny.zip", cache=folder / "cache", folder=folder, done=done)


@pytest.fixture
def place(trained, tmp_path, monkeypatch):
    """A copy of the trained results folder, the cache at hand."""
    monkeypatch.setenv("BENCH_CACHE", str(trained.cache))
    shutil.copytree(trained.store.root, tmp_path / "results")
    return Store(tmp_path / "results")


@pytest.fixture
def elsewhere(trained, tmp_path, monkeypatch):
    """An empty results folder on a machine that has no data."""
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "no-cache"))
    return Store(tmp_path / "elsewhere")
