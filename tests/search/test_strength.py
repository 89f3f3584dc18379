"""The search: scored on validation identities alone, goes on where it stopped, and compares honestly at the end."""

import json
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.scheduling.execute import InProcess
from bench.search import strength
from bench.store import Store
from bench.suite.suite import load_suite
from tests.tiny import SUITE, write_root, write_suite

SEARCH = SUITE.replace("protocols: [lfw, ytf, cfp_fp]}", "protocols: [lfw], validation: {identities: 0.5, pairs: 60}}")
SEARCH = SEARCH.replace("grid: {enhancement.strength: [0, 0.1]}\n", "") + "search: {trials: 3}\n"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("search")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_CACHE", str(folder / "cache"))
        root = write_root(folder / "root")
        yield folder, load_suite(write_suite(folder / "search.yaml", root, SEARCH))


@pytest.fixture(scope="module")
def found(place):
    folder, suite = place
    return strength.search(suite, Store(folder / "results"), executor=InProcess())


def test_trials_are_runs_and_asking_for_more_goes_on(place, found):
    folder, suite = place
    store = Store(folder / "results")
    assert len(found.trials) == 3
    assert all(1e-4 <= trial.strength <= 1 for trial in found.trials)
    assert found.best.accuracy == max(t.accuracy for t in found.trials if t.state == "complete")
    before = set(store.run_ids())
    again = strength.search(suite, store, executor=InProcess())
    assert again == found
    assert set(store.run_ids()) == before
    more = strength.search(suite, store, trials=4, executor=InProcess())
    assert len(more.trials) == 4
    assert more.trials[:3] == found.trials


def test_no_trial_opens_a_reported_protocol(place, monkeypatch):
    folder, suite = place

    def refuse(*arguments, **options):
        raise AssertionError("a search opened a protocol")

    monkeypatch.setattr("bench.data.resolve.pack_protocol", refuse)
    monkeypatch.setattr("bench.data.protocols.open_protocol", refuse)
    store = Store(folder / "blind")
    blind = strength.search(suite, store, trials=1, executor=InProcess())
    assert store.result(blind.best.run)["validation"]["accuracy"] == blind.best.accuracy
    assert not list(Path(folder / "blind").rglob("evaluations/*.json"))


def test_an_orphan_of_a_killed_search_is_failed_and_replaced(place):
    folder, suite = place
    store = Store(folder / "killed")

    class KilledError(Exception):
        pass

    class Dies:
        def run(self, jobs, on_event):
            next(jobs)
            next(jobs)
            raise KilledError

    with pytest.raises(KilledError):
        strength.search(suite, store, trials=1, executor=Dies())
    found = strength.search(suite, store, trials=1, executor=InProcess())
    assert [trial.state for trial in found.trials] == ["fail", "complete"]


def test_a_trial_that_another_process_trains_is_failed_and_replaced(place):
    folder, suite = place
    store = Store(folder / "elsewhere")

    class OnceElsewhere:
        def run(self, jobs, on_event):
            InProcess().run(iter([next(jobs)]), on_event)  # the baseline
            on_event({"run": next(jobs).runs[0]["run"], "kind": "elsewhere"})
            InProcess().run(jobs, on_event)

    found = strength.search(suite, store, trials=2, executor=OnceElsewhere())
    assert [trial.state for trial in found.trials] == ["fail", "complete", "complete"]


def test_the_winner_and_the_baseline_are_retrained_on_everybody_with_the_same_fresh_seeds(place, found):
    _, suite = place
    plan = strength.final_plan(suite, found)
    assert [run.seed for run in plan.runs] == [101, 102, 103] * 2
    assert [run.config["enhancement"] for run in plan.runs[:3]] == [None] * 3
    assert {run.config["enhancement"]["strength"] for run in plan.runs[3:]} == {found.best.strength}
    assert all(run.config["validation"] is None and "lfw" in run.evaluations for run in plan.runs)


def test_finished_trials_stand_in_a_plan_of_their_own_for_the_trackers(place, found):
    folder, suite = place
    plan = strength.trials_plan(suite, found)
    finished = {t.run for t in (found.baseline, *found.trials) if t.state == "complete"}
    assert {run.run for run in plan.runs} == finished
    assert plan.suite.name.endswith(".trials")
    assert all(run.state(Store(folder / "results")) == "done" and not run.protocols for run in plan.runs)


def test_what_was_found_is_kept_and_said_with_its_interval(place, found):
    folder, suite = place
    store = Store(folder / "results")
    low, high = strength.baseline_interval(suite, store, found)
    assert 0 <= low <= found.baseline.accuracy <= high <= 1
    path, text = strength.write_found(suite, store, found, (0.0, 1.0))
    assert "not distinguishable" in text
    assert json.loads(path.read_text())["best"]["run"] == found.best.run
    _, text = strength.write_found(suite, store, found, (0.0, found.best.accuracy - 1e-6))
    assert "outside" in text
    strength.draw_found(found, (low, high), suite.search, folder / "figure.png")
    assert (folder / "figure.png").stat().st_size > 5000


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("search: {trials: 3}\n", ""), "no `search` block"),
        (("validation: {identities: 0.5, pairs: 60}", "validation: {pairs: 60}"), "must be above 0"),
        (("executor:", "grid: {margin.s: [8, 16]}\nexecutor:"), "needs one cell"),
    ],
)
def test_a_suite_that_cannot_be_searched_is_refused(place, tmp_path, change, words):
    suite = load_suite(write_suite(tmp_path / "s.yaml", tmp_path, SEARCH.replace(*change)))
    with pytest.raises(BenchError, match=words):
        strength.checked(suite)
