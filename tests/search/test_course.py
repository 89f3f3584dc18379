"""How a search goes on: what counts, what is free, what is replaced, and when it stops."""

import pytest

from bench.errors import BenchError
from bench.search.driver import search
from bench.store import Store
from tests.search.made_up import MadeUp, by_strength


def states(found):
    return [trial.state for trial in found.trials]


def test_trials_are_runs_and_asking_for_more_goes_on(tmp_path, suite_of):
    suite, store = suite_of("{trials: 3}"), Store(tmp_path / "results")
    (found,) = search(suite, store, executor=MadeUp())
    assert len(found.trials) == 3
    assert all(1e-4 <= trial.params["enhancement.strength"] <= 1 for trial in found.trials)
    assert found.chosen.values == max(trial.values for trial in found.trials)
    assert found.baseline.values == (0.5,)
    again = MadeUp()
    assert search(suite, store, executor=again) == [found]
    assert not again.jobs
    (more,) = search(suite, store, trials=4, executor=again)
    assert more.trials[:3] == found.trials
    assert len(again.jobs) == 1


def test_a_search_that_goes_on_does_not_propose_the_same_again(tmp_path, suite_of):
    suite, store = suite_of("{trials: 2, sampler: random}"), Store(tmp_path / "results")
    search(suite, store, executor=MadeUp())
    (found,) = search(suite, store, trials=4, executor=MadeUp())
    assert len({trial.params["enhancement.strength"] for trial in found.trials}) == 4


def test_what_was_trained_before_is_free(tmp_path, suite_of):
    store, block = Store(tmp_path / "results"), "{trials: 3, sampler: random}"
    (first,) = search(suite_of(block), store, executor=MadeUp())
    other = MadeUp()
    (second,) = search(suite_of(block, overrides=("name=another",)), store, executor=other)
    assert [t.runs for t in second.trials] == [t.runs for t in first.trials]
    assert [t.intermediate for t in second.trials] == [t.intermediate for t in first.trials]
    assert not other.jobs


def test_a_configuration_that_is_proposed_twice_is_trained_once(tmp_path, suite_of):
    suite = suite_of("{trials: 6, sampler: random, space: {margin.m: {choices: [0.1, 0.3]}}}")
    executor = MadeUp(lambda config: config["margin"]["m"], slots=4)
    (found,) = search(suite, Store(tmp_path / "results"), executor=executor)
    assert states(found) == ["complete"] * 6
    assert len(executor.jobs) == 3  # both, and the suite's own margin 0.2


def test_an_orphan_of_a_killed_search_is_failed_and_replaced(tmp_path, suite_of):
    class KilledError(Exception):
        pass

    class Dies:
        def run(self, jobs, on_event):
            next(jobs)
            next(jobs)
            raise KilledError

    suite, store = suite_of("{trials: 1}"), Store(tmp_path / "results")
    with pytest.raises(KilledError):
        search(suite, store, executor=Dies())
    (found,) = search(suite, store, executor=MadeUp())
    assert states(found) == ["failed", "complete"]
    assert "ended" in found.trials[0].why


def test_a_trial_that_another_process_trains_is_failed_and_replaced(tmp_path, suite_of):
    class OnceElsewhere(MadeUp):
        def run(self, jobs, on_event):
            super().run(iter([next(jobs)]), on_event)  # the baseline
            on_event({"run": next(jobs).runs[0]["run"], "kind": "elsewhere"})
            super().run(jobs, on_event)

    (found,) = search(suite_of("{trials: 2}"), Store(tmp_path / "results"), executor=OnceElsewhere())
    assert states(found) == ["failed", "complete", "complete"]
    assert found.trials[0].why == "another process trains its run"


def test_a_trial_that_fails_last_is_replaced_though_the_jobs_had_run_out(tmp_path, suite_of):
    calls = []

    def once(config):
        if config["enhancement"] and config["enhancement"]["strength"] not in calls:
            calls.append(config["enhancement"]["strength"])
            if len(calls) == 2:
                raise RuntimeError("the loss is not finite")
        return by_strength(config)

    (found,) = search(suite_of("{trials: 2}"), Store(tmp_path / "results"), executor=MadeUp(once, slots=3))
    assert sorted(states(found)) == ["complete", "complete", "failed"]
    assert [trial.why for trial in found.trials if trial.why] == ["the loss is not finite"]


def test_many_failures_in_a_row_end_the_search_in_words(tmp_path, suite_of):
    def fails(config):
        if config["enhancement"]:
            raise RuntimeError("no memory left")
        return 0.5

    executor = MadeUp(fails)
    with pytest.raises(BenchError, match="3 trials failed in a row, the last with: no memory left"):
        search(suite_of("{trials: 20, failures: 3}"), Store(tmp_path / "results"), executor=executor)
    assert len(executor.jobs) == 4


def test_a_configuration_that_is_no_cell_is_a_failed_trial_with_a_reason(tmp_path, suite_of):
    space = "{recipe.batch: {low: 16, high: 24, int: true, step: 4}, recipe.micro_batch: {choices: [null, 8]}}"
    suite = suite_of(f"{{trials: 6, sampler: grid, space: {space}}}")
    (found,) = search(suite, Store(tmp_path / "results"), executor=MadeUp(lambda config: 0.5))
    assert states(found).count("failed") == 1
    (failed,) = [trial for trial in found.trials if trial.state == "failed"]
    assert failed.params == {"recipe.batch": 20, "recipe.micro_batch": 8}
    assert "must divide recipe.batch" in failed.why


def test_the_score_is_the_mean_over_the_seeds_of_a_trial(tmp_path, suite_of):
    suite = suite_of("{trials: 2, seeds: [0, 5], pruner: none}")
    executor = MadeUp(lambda config: 0.5 + config["seed"] / 100, slots=2)
    (found,) = search(suite, Store(tmp_path / "results"), executor=executor)
    assert [trial.values for trial in found.trials] == [pytest.approx((0.525,))] * 2
    assert found.trials[0].intermediate == pytest.approx({1: 0.2625, 2: 0.525})
    assert (found.trials[0].epochs, found.trials[0].seconds) == (4, 8.0)
    assert len(found.baseline.runs) == 2


def test_trials_run_side_by_side(tmp_path, suite_of):
    executor = MadeUp(slots=3)
    search(suite_of("{trials: 5}"), Store(tmp_path / "results"), executor=executor)
    assert executor.running == 3


def test_progress_is_told_in_plain_lines(tmp_path, suite_of):
    told = []
    search(suite_of("{trials: 2}"), Store(tmp_path / "results"), executor=MadeUp(), on_event=told.append)
    notes = [event["text"] for event in told if event["kind"] == "note"]
    assert notes[0].startswith("trial 1 of 2 (number 0): accuracy")
    assert "best so far accuracy" in notes[1]
    names = [event["name"] for event in told if event["kind"] == "named"]
    assert names == ["baseline, seed 0", "trial 0, seed 0", "trial 1, seed 0"]
