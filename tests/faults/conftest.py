"""One data root and cache for all faults."""

import pytest

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
