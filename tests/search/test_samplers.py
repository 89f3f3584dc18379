"""What proposes trials: every sampler finishes, the same seed proposes the same, and a grid is tried point by point."""

import pytest

from bench.errors import SuiteError
from bench.search.driver import search
from bench.store import Store
from tests.search.made_up import MadeUp, by_strength

NUMBERS = "{enhancement.strength: {low: 1e-4, high: 1, log: true}, margin.m: {low: 0.1, high: 0.5}}"
MIXED = (
    "{enhancement.strength: {low: 1e-4, high: 1, log: true}, enhancement.gate: {choices: [posterior, uniform]}, "
    "enhancement.gate.gamma: {low: 0.5, high: 4, when: {enhancement.gate: [posterior]}}, "
    "recipe.warmup_epochs: {low: 0, high: 1, step: 0.1}, margin.s: {low: 8, high: 32, int: true}}"
)


def tried(suite, store, **more):
    (found,) = search(suite, store, executor=MadeUp(by_strength), **more)
    return [dict(trial.params) for trial in found.trials]


@pytest.mark.parametrize(
    ("sampler", "space"),
    [
        ("tpe", MIXED),
        ("{name: tpe, multivariate: false, n_startup_trials: 2}", MIXED),
        ("random", MIXED),
        ("cmaes", NUMBERS),
        (
            "{name: cmaes, popsize: 4}",
            "{enhancement.strength: {low: 0.1, high: 1}, margin.s: {low: 8, high: 256, int: true}}",
        ),
        ("qmc", NUMBERS),
        ("{name: qmc, qmc_type: halton}", NUMBERS),
    ],
)
def test_a_sampler_finishes_and_the_same_seed_proposes_the_same(tmp_path, suite_of, sampler, space):
    suite = suite_of(f"{{trials: 13, sampler: {sampler}, space: {space}}}")
    first = tried(suite, Store(tmp_path / "a"))
    assert len(first) == 13
    assert len({str(params) for params in first}) == 13
    assert first == tried(suite, Store(tmp_path / "b"))
    other = suite_of(f"{{trials: 13, seed: 1, sampler: {sampler}, space: {space}}}")
    assert first != tried(other, Store(tmp_path / "c"))
    if space == MIXED:
        assert all(("enhancement.gate.gamma" in p) == (p["enhancement.gate"] == "posterior") for p in first)
        assert all(p["recipe.warmup_epochs"] == pytest.approx(round(p["recipe.warmup_epochs"], 1)) for p in first)
        assert all(isinstance(p["margin.s"], int) for p in first)


def test_a_grid_is_tried_point_by_point_and_ends(tmp_path, suite_of):
    space = (
        "{enhancement.gate: {choices: [posterior, uniform]}, margin.m: {low: 0.1, high: 0.3, step: 0.1}, "
        "enhancement.gate.gamma: {choices: [1, 2], when: {enhancement.gate: [posterior]}}}"
    )
    change = (("gate: posterior", "gate: posterior, strength: 0.1"),)
    suite, store = suite_of(f"{{trials: 50, sampler: grid, space: {space}}}", change=change), Store(tmp_path / "r")
    assert len(tried(suite, store, trials=4)) == 4
    found = tried(suite, store)
    assert len(found) == 9
    assert len({str(params) for params in found}) == 9
    assert sorted({params["margin.m"] for params in found}) == [0.1, 0.2, 0.3]
    assert found == tried(suite, store)


@pytest.mark.parametrize(
    ("search", "words"),
    [
        (f"{{sampler: cmaes, space: {MIXED}}}", "cmaes draws numbers only, but enhancement.gate has choices"),
        (f"{{sampler: qmc, space: {MIXED}}}", "qmc needs every field in every trial, but enhancement.gate.gamma has"),
        ("{sampler: grid}", "grid needs choices, or a step"),
        ("{sampler: nsga2}", "nsga2 is for several objectives, found accuracy alone"),
        ("{sampler: cmaes, objectives: [accuracy, cost]}", "cmaes seeks one objective, found accuracy, cost"),
        ("{sampler: tpa}", "unknown sampler 'tpa'; did you mean 'tpe'"),
        ("{sampler: {name: tpe, n_startup: 3}}", "did you mean 'n_startup_trials'"),
    ],
)
def test_what_a_sampler_cannot_do_is_refused_in_words(suite_of, search, words):
    with pytest.raises(SuiteError) as caught:
        suite_of(search)
    assert words in str(caught.value)
    assert "tiny.yaml:" in str(caught.value)
