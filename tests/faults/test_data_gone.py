"""Data that disappears while it is used."""

import shutil

import pytest

from bench.errors import DataError
from bench.store import Store
from tests.faults.commands import SUITE, Place, weights
from tests.faults.in_process import attempt, bench_run, plan_of, table_of


@pytest.fixture
def undisturbed(stages, tmp_path):
    store = Store(tmp_path / "undisturbed")
    return bench_run(stages.place, store, text=SUITE), weights(store.root)


@pytest.fixture
def own(stages, tmp_path, monkeypatch):
    """A root and a cache that may be deleted."""
    (tmp_path / "own").mkdir()
    place = Place(tmp_path / "own", tmp_path / "own" / "root", tmp_path / "own" / "cache")
    shutil.copytree(stages.place.root, place.root)
    shutil.copytree(stages.place.cache, place.cache)
    monkeypatch.setenv("BENCH_CACHE", str(place.cache))
    return place


def first(kind, act):
    """Does something when the first event of a kind comes."""
    acted = []

    def hear(event):
        if event["kind"] == kind and not acted:
            acted.append(act())

    return hear


def test_a_packed_store_that_is_deleted_fails_what_comes_later_in_a_line_and_is_packed_again(
    own, undisturbed, tmp_path
):
    """What is mapped stays readable, so the run that trains goes on; what is opened later is not there."""
    store = Store(tmp_path / "results")
    failed = attempt(plan_of(own, SUITE), store, first("epoch", lambda: shutil.rmtree(own.cache)))
    assert len(failed) == 2
    for error in failed.values():
        assert "not packed; run the same command again to pack" in error or "is not packed; run the same" in error
        assert "\n" not in error
    assert len(weights(store.root)) == 1
    assert bench_run(own, store, text=SUITE) == undisturbed[0]
    assert weights(store.root) == undisturbed[1]


def test_sources_may_go_once_they_are_packed_and_without_them_no_new_command_starts(own, undisturbed, tmp_path):
    store = Store(tmp_path / "results")
    plan = plan_of(own, SUITE)
    assert attempt(plan, store, first("started", lambda: shutil.rmtree(own.root))) == {}
    assert table_of(store) == undisturbed[0]
    assert weights(store.root) == undisturbed[1]
    with pytest.raises(DataError, match=r"data\.root: .*root is not a folder"):
        plan_of(own, SUITE)
