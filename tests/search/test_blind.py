"""The objective never sees a test set: whoever opens one while a search runs, here or in a worker, is caught."""

import sys
from functools import partial

import pytest

from bench.data.cache import cache_root
from bench.scheduling.execute import InProcess, LocalProcesses
from bench.scheduling.slots import make_slots
from bench.scheduling.worker import serve
from bench.search.driver import search
from bench.search.final import final_plan
from bench.store import Store

LOOKING = []
"""Folders of reported protocols, as their sources and as they are packed, that nothing may touch now."""


def _watch(event, arguments):
    if event in ("open", "os.listdir", "os.scandir") and LOOKING and isinstance(arguments[0], str | bytes):
        path = arguments[0] if isinstance(arguments[0], str) else arguments[0].decode()
        if any(folder in path for folder in LOOKING):
            raise AssertionError(f"a search touched {path}")


sys.addaudithook(_watch)


def watched(folders, connection, device, mask):
    """Main of a worker that may touch none of these folders."""
    LOOKING[:] = folders
    serve(connection, device, mask)


@pytest.fixture
def protocols(root, suite_of):
    """Source folders and packed folders of every protocol there is, packed before by an honest final plan."""
    folders = [str(root / name) for name in ("lfw", "ytf", "cfp")] + [str(cache_root() / "protocols")]
    yield folders
    LOOKING.clear()


@pytest.fixture
def suite(suite_of):
    text = (("protocols: [lfw]", "protocols: [lfw, ytf, cfp_fp]"),)
    return suite_of("{trials: 1, objectives: [accuracy, isotropy]}", change=text)


def test_the_watch_bites(root, protocols):
    LOOKING[:] = protocols
    with pytest.raises(AssertionError, match="touched"):
        next((root / "lfw").iterdir())
    with pytest.raises(AssertionError, match="touched"):
        (root / "lfw" / "pairs.txt").read_text()


def test_no_trial_opens_a_reported_protocol_in_this_process(tmp_path, suite, protocols, monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("a search opened a protocol")

    monkeypatch.setattr("bench.data.resolve.pack_protocol", refuse)
    monkeypatch.setattr("bench.data.resolve.open_protocol", refuse)
    monkeypatch.setattr("bench.data.protocols.open_protocol", refuse)
    LOOKING[:] = protocols
    store = Store(tmp_path / "results")
    (found,) = search(suite, store, executor=InProcess())
    assert [trial.state for trial in found.trials] == ["complete"]
    assert found.chosen.values[0] == store.result(found.chosen.runs[0])["validation"]["accuracy"]
    assert not list(tmp_path.rglob("evaluations/*.json"))
    with pytest.raises(AssertionError):
        final_plan(suite, [found])  # which is where tests begin


def test_no_worker_process_opens_one_either(tmp_path, suite, protocols):
    LOOKING[:] = protocols
    executor = LocalProcesses(make_slots("cpu", share=1.0, most=1), retries=0, main=partial(watched, protocols))
    (found,) = search(suite, Store(tmp_path / "results"), executor=executor)
    assert [trial.state for trial in found.trials] == ["complete"]
    assert not list(tmp_path.rglob("evaluations/*.json"))


def test_the_split_is_by_its_own_seed_and_the_same_in_every_trial(tmp_path, suite_of):
    from tests.search.made_up import MadeUp

    executor = MadeUp()
    search(suite_of("{trials: 2, seeds: [3, 4]}"), Store(tmp_path / "results"), executor=executor)
    assert {str(job.runs[0]["config"]["validation"]) for job in executor.jobs} == {
        "{'identities': 0.5, 'pairs': 60, 'seed': 0}"
    }
