"""What gives trials up early: worse ones lose epochs, or seeds; and what cannot work is refused."""

import pytest

from bench.errors import SuiteError
from bench.search.driver import search
from bench.store import Store
from tests.search.made_up import MadeUp

SPACE = "{margin.m: {choices: [0.5, 0.45, 0.4, 0.35, 0.3, 0.25, 0.15, 0.1]}}"
LONG = (("  epochs: 2", "  epochs: 9"),)


def better_with_margin(config):
    return 0.4 + config["margin"]["m"] + config["seed"] / 1000


@pytest.mark.parametrize("pruner", ["{name: median, n_startup_trials: 2}", "asha", "hyperband"])
def test_later_and_worse_trials_lose_epochs_but_not_their_first(tmp_path, suite_of, pruner):
    block = f"{{trials: 8, sampler: grid, pruner: {pruner}, pruner_warmup_epochs: 2, space: {SPACE}}}"
    (found,) = search(suite_of(block, change=LONG), Store(tmp_path / "r"), executor=MadeUp(better_with_margin))
    assert found.trials[0].state == "complete"
    pruned = [trial for trial in found.trials if trial.state == "pruned"]
    assert pruned
    assert all(2 <= trial.epochs < 9 and trial.values is None and trial.intermediate for trial in pruned)
    assert found.chosen.params["margin.m"] == 0.5


def test_no_pruner_gives_nothing_up_and_asks_for_nothing(tmp_path, suite_of):
    executor = MadeUp(better_with_margin)
    suite = suite_of(f"{{trials: 8, sampler: grid, pruner: none, space: {SPACE}}}")
    (found,) = search(suite, Store(tmp_path / "results"), executor=executor)
    assert {trial.state for trial in found.trials} == {"complete"}
    assert not any(job.ask for job in executor.jobs)


def test_wilcoxon_spares_the_last_seeds_of_a_trial_that_loses_to_the_best(tmp_path, suite_of):
    executor = MadeUp(better_with_margin)
    suite = suite_of(f"{{trials: 3, sampler: grid, pruner: wilcoxon, seeds: [1, 2, 3, 4, 5, 6], space: {SPACE}}}")
    (found,) = search(suite, Store(tmp_path / "results"), executor=executor)
    assert [trial.state for trial in found.trials] == ["complete", "pruned", "pruned"]
    assert [len(trial.intermediate) for trial in found.trials] == [6, 4, 4]  # p = 1/16 after four
    assert len(executor.jobs) == 6 + 6 + 4 + 4
    assert found.trials[1].epochs == 8


def test_a_trial_of_several_seeds_is_judged_by_epochs_that_all_of_them_told(tmp_path, suite_of):
    block = f"{{trials: 4, sampler: grid, seeds: [1, 2], pruner_warmup_epochs: 1, space: {SPACE}, "
    suite = suite_of(block + "pruner: {name: median, n_startup_trials: 1}}", change=LONG)
    (found,) = search(suite, Store(tmp_path / "results"), executor=MadeUp(better_with_margin, slots=2))
    assert found.trials[0].state == "complete"
    assert "pruned" in [trial.state for trial in found.trials]
    assert all(trial.epochs < 18 for trial in found.trials if trial.state == "pruned")


@pytest.mark.parametrize(
    ("search", "words"),
    [
        ("{pruner: wilcoxon}", "with 1 seeds; give search.seeds at least 5"),
        ("{pruner: wilcoxon, seeds: [1, 2, 3, 4]}", "give search.seeds at least 5"),
        ("{pruner: median, objectives: [accuracy, cost]}", "median compares one objective"),
        ("{pruner: median, objectives: [isotropy]}", "isotropy is sought"),
        ("{pruner: none, pruner_warmup_epochs: 2}", "is not read: the pruner is none"),
        ("{pruner: medan}", "did you mean 'median'"),
    ],
)
def test_what_a_pruner_cannot_do_is_refused_in_words(suite_of, search, words):
    with pytest.raises(SuiteError) as caught:
        suite_of(search)
    assert words in str(caught.value)
