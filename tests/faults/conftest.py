"""One data root and cache for all faults."""

import functools

import pytest

from bench.scheduling import leases
from tests.faults.commands import Place
from tests.faults.in_process import Stages
from tests.tiny import write_root


@pytest.fixture(scope="session")
def shared_root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faults")
    return write_root(folder / "root"), folder / "cache"


@pytest.fixture
def place(tmp_path, shared_root, monkeypatch):
    monkeypatch.setenv("BENCH_CACHE", str(shared_root[1]))
    place = Place(tmp_path, *shared_root)
    yield place
    place.end()


@pytest.fixture(scope="session")
def stages(tmp_path_factory, shared_root):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_CACHE", str(shared_root[1]))
        yield Stages(Place(tmp_path_factory.mktemp("stages"), *shared_root))


@pytest.fixture
def impatient(monkeypatch):
    """A lease whose owner cannot be seen to be gone is watched, to see whether it beats; here not for a minute."""
    monkeypatch.setattr("bench.scheduling.suite_run.Watch", functools.partial(leases.Watch, expiry=0.02))
    monkeypatch.setattr("bench.scheduling.suite_run.LOOK_SECONDS", 0.05)
