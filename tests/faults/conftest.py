"""One data root and cache for all faults."""

import pytest

from tests.faults.commands import Place
from tests.tiny import write_root


@pytest.fixture(scope="session")
def shared_root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faults")
    return write_root(folder / "root"), folder / "cache"


@pytest.fixture
def place(tmp_path, shared_root):
    place = Place(tmp_path, *shared_root)
    yield place
    place.end()


@pytest.fixture(scope="module")
def module_place(tmp_path_factory, shared_root):
    place = Place(tmp_path_factory.mktemp("place"), *shared_root)
    yield place
    place.end()
