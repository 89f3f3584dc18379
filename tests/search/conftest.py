"""One tiny data root for all tests of the search."""

import pytest

from tests.search.made_up import load
from tests.tiny import write_root


@pytest.fixture(scope="session")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("search")
    return write_root(folder / "root")


@pytest.fixture
def suite_of(tmp_path, root, monkeypatch):
    """Loads a tiny suite with a search block."""
    monkeypatch.setenv("BENCH_CACHE", str(root.parent / "cache"))
    return lambda search, **more: load(tmp_path, root, search, **more)
