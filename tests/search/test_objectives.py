"""Several objectives, and that each is measured where it is said to be."""

import pytest

from bench.search import objective
from bench.search.driver import search
from bench.search.final import final_plan
from bench.search.verdict import verdict
from bench.store import Store
from tests.search.made_up import MadeUp

WIDTHS = "space: {backbone.width: {choices: [4, 8, 12]}, margin.m: {choices: [0.1, 0.3]}}"


def by_width(config):
    """Wider is better but costs more; the suite's own margin of 0.2 is worse than both."""
    return 0.5 + config["backbone"]["width"] / 100 + {0.1: 0.1, 0.2: 0.0, 0.3: 0.05}[config["margin"]["m"]]


def test_the_front_is_what_no_other_trial_beats_in_everything(tmp_path, suite_of):
    suite = suite_of(f"{{trials: 6, sampler: grid, objectives: [accuracy, cost], {WIDTHS}}}")
    (found,) = search(suite, Store(tmp_path / "results"), executor=MadeUp(by_width))
    front = [trial for trial in found.trials if trial.number in found.best]
    assert sorted(trial.params["backbone.width"] for trial in front) == [4, 8, 12]
    assert {trial.params["margin.m"] for trial in front} == {0.1}
    assert not any(trial.intermediate for trial in found.trials)
    assert found.chosen.params == {"backbone.width": 4, "margin.m": 0.1}  # the others cost more than the baseline
    text = verdict(Store(tmp_path / "results"), [found], [None], *final_plan(suite, [found]), fair=False)
    assert "3 of them are best in some balance of accuracy, cost; retrained: backbone.width 4, margin.m 0.1" in text
    assert "None of the best" not in text


def test_where_all_of_the_front_cost_more_it_is_said(tmp_path, suite_of):
    suite = suite_of(
        "{trials: 2, sampler: grid, objectives: [accuracy, cost], space: {backbone.width: {choices: [8, 12]}}}",
        change=(("m: 0.2", "m: 0.1"),),
    )
    (found,) = search(suite, Store(tmp_path / "results"), executor=MadeUp(by_width))
    assert found.chosen.params == {"backbone.width": 12}
    text = verdict(Store(tmp_path / "results"), [found], [None], *final_plan(suite, [found]), fair=False)
    assert "None of the best is as good as the suite's own configuration in cost." in text


def test_nsga2_breeds_for_several_objectives(tmp_path, suite_of):
    block = "{trials: 9, sampler: {name: nsga2, population_size: 3}, objectives: [accuracy, cost], "
    (found,) = search(suite_of(block + WIDTHS + "}"), Store(tmp_path / "results"), executor=MadeUp(by_width))
    assert len(found.trials) == 9
    assert set(found.best) <= {trial.number for trial in found.trials}


def test_cost_counts_multiply_adds_of_a_training_from_its_configuration(tmp_path, suite_of):
    store = Store(tmp_path / "results")
    block = "{trials: 2, sampler: grid, objectives: [cost], space: {recipe.epochs: {choices: [2, 4]}}}"
    (found,) = search(suite_of(block), store, executor=MadeUp(lambda config: 0.5))
    (short,), (long,) = (trial.values for trial in found.trials)
    assert long == pytest.approx(2 * short)
    assert found.chosen.params == {"recipe.epochs": 2}
    config = store.config(found.trials[0].runs[0])
    from bench.backbones.catalog import describe

    images = config["train"]["images"] / 2 * 2  # half of them, twice
    assert short == pytest.approx(images * (describe(config["backbone"], pixels=24).macs + 6 * 16))


def test_isotropy_is_of_validation_identities(tmp_path, suite_of, monkeypatch):
    import numpy as np

    asked = []

    def embeddings(store, run):
        asked.append(run)
        draw = np.random.default_rng(len(asked))
        labels = np.repeat(np.arange(5), 8)
        return draw.standard_normal((40, 4)) * [1, 1, 1, len(asked)] + 3 * np.eye(5, 4)[labels], labels

    monkeypatch.setattr(objective, "validation_embeddings", embeddings)
    suite = suite_of("{trials: 2, objectives: [accuracy, isotropy]}")
    (found,) = search(suite, Store(tmp_path / "results"), executor=MadeUp())
    assert asked[:2] == [trial.runs[0] for trial in found.trials]
    low, high = (trial.values[1] for trial in found.trials)
    assert low != high
    assert min(low, high) > 0
