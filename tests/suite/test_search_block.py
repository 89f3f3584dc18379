"""A search block is checked when its suite loads: unknown fields, wrong values, conditions that never hold."""

from pathlib import Path

import pytest

from bench.errors import SuiteError
from bench.suite.search_block import Searched
from bench.suite.space import ends, in_order, labels, points, stepped
from bench.suite.suite import load_cell, load_suite
from tests.tiny import SUITE

TINY = SUITE.replace("grid: {enhancement.strength: [0, 0.1]}\n", "").replace(
    "normface, s: 16", "arcface, s: 16, m: 0.2"
)

TERM = """\
    enhancement.strength: {low: 1e-4, high: 1, log: true}
    enhancement.gate: {choices: [posterior, satisfied, uniform]}
    enhancement.gate.gamma: {low: 0, high: 4, when: {enhancement.gate: [posterior]}}
    enhancement.profile: {choices: [matched, cosine, squared]}
    enhancement.schedule: {choices: [{name: constant}, {name: linear, epochs: 1}, {name: after_epoch, epoch: 1}]}
"""
LOSS = """\
    margin.m: {low: 0.1, high: 0.5}
    margin.s: {low: 8, high: 64, log: true}
    recipe.optimiser.lr: {low: 1e-3, high: 0.3, log: true}
"""


def load(tmp_path: Path, space: str, *, more: str = "", overrides: tuple[str, ...] = ()):
    path = tmp_path / "s.yaml"
    path.write_text(TINY.replace("ROOT", str(tmp_path)) + f"search:\n  trials: 5\n  space:\n{space}{more}")
    return load_suite(path, list(overrides))


def mistakes(tmp_path, space, **more):
    with pytest.raises(SuiteError) as caught:
        load(tmp_path, space, **more)
    return [str(mistake).removeprefix(f"{tmp_path}/") for mistake in caught.value.mistakes]


@pytest.mark.parametrize("line", [*TERM.splitlines()[:2], *TERM.splitlines()[3:], *LOSS.splitlines()])
def test_each_field_of_term_and_loss_is_searched_alone(tmp_path, line):
    suite = load(tmp_path, line + "\n")
    assert len(suite.search.fields) == 1


def test_term_and_loss_are_searched_jointly(tmp_path):
    suite = load(tmp_path, TERM + LOSS)
    values = {
        "enhancement.gate": "posterior", "enhancement.gate.gamma": 2.5, "enhancement.strength": 0.3, "margin.s": 30.5,
        "enhancement.schedule": {"name": "linear", "epochs": 1}, "recipe.optimiser.lr": 0.02,
    }  # fmt: skip
    from bench.suite.space import placed

    blocks = suite.blocks[0]
    for name in in_order({name: suite.search.fields[name] for name in values}):
        blocks = placed(blocks, name, values[name])
    cell = load_cell(suite, blocks)
    assert (cell.enhancement.gate.options["gamma"], cell.enhancement.strength) == (2.5, 0.3)
    assert (cell.enhancement.schedule.name, cell.margin.options["s"]) == ("linear", 30.5)
    assert cell.recipe.optimiser.lr == 0.02
    assert cell.margin.options["m"] == 0.2


def test_blocks_that_are_not_searched_stand_where_they_were_written(tmp_path):
    found = mistakes(tmp_path, "    recipes.epochs: {choices: [2, 3]}\n    data.pixels: {choices: [24, 32]}\n")
    assert found[0].startswith(
        "s.yaml:17: search.space.recipes.epochs: unknown field of a cell 'recipes'; did you mean"
    )
    assert found[1] == "s.yaml:18: search.space.data.pixels: decides what a score means, and cannot be searched"


@pytest.mark.parametrize(
    ("space", "words"),
    [
        ("    margin.mm: {low: 0.1, high: 0.5}\n", "s.yaml:17: search.space.margin.mm.low: unknown option"),
        ("    margin.m: {low: 0.1, high: 9}\n", "s.yaml:17: search.space.margin.m.high: must be a number >= 0 and <="),
        ("    recipe.epoch: {choices: [2, 3]}\n", "did you mean 'epochs'?"),
        ("    enhancement.gate: {choices: [uniform, uniforn]}\n", "choices[1].name: unknown gate 'uniforn'"),
        ("    margin.m: {low: 0.1, hihg: 0.5}\n", "unknown field 'hihg'; did you mean 'high'?"),
        ("    margin.m: {low: 0.5, high: 0.1}\n", "low < high must hold"),
        ("    margin.m: {low: 0, high: 0.1, log: true}\n", "low must be above 0"),
        ("    margin.s: {low: 8.5, high: 16, int: true}\n", "must be whole where int is true"),
        ("    margin.s: {choices: [8, 16], low: 3}\n", "choices stand alone, without low"),
        ("    margin.s: {choices: [8, 8]}\n", "holds 8 twice"),
        ("    margin.m: {low: 0.1, high: 0.5, when: {margin.name: [cosface]}}\n", "holds in no configuration"),
        ("    margin.m: {low: 0.1, high: 0.5, when: {margn.name: [arcface]}}\n", "did you mean 'margin'?"),
        (
            "    margin.m: {low: 0.1, high: 0.5, when: {margin.s: [8]}}\n    margin.s: {low: 8, high: 9}\n",
            "with choices",
        ),
        (
            "    margin.m: {choices: [0.1], when: {margin.s: [8]}}\n"
            "    margin.s: {choices: [8], when: {margin.m: [0.1]}}\n",
            "go in a circle",
        ),
    ],
)
def test_a_field_that_cannot_be_searched_is_a_mistake(tmp_path, space, words):
    assert any(words in mistake for mistake in mistakes(tmp_path, space))


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("grid: {margin.m: [0.1, 0.2]}\n", "margin.m is an axis of the grid"),
        ("  retrain_seeds: [0, 1, 2]\n", "must be fresh, but trials have seed 0"),
        ("  retrain_seeds: [7, 7, 8]\n", "7 is given twice"),
        ("  low: 0.1\n", "low are of the strength alone"),
        ("  objectives: [accuracy, speed]\n", "'accuracy', 'isotropy' or 'cost'"),
    ],
)
def test_what_does_not_go_with_a_space_is_a_mistake(tmp_path, more, words):
    assert any(words in mistake for mistake in mistakes(tmp_path, "    margin.m: {low: 0.1, high: 0.5}\n", more=more))


def test_a_searched_field_is_overridden_like_any_other(tmp_path):
    overrides = ("search.space.margin.m.high=0.4", "search.space.recipe.epochs={choices: [2, 3]}")
    suite = load(tmp_path, "    margin.m: {low: 0.1, high: 0.5}\n", overrides=overrides)
    assert suite.search.space["margin.m"].high == 0.4
    assert suite.search.space["recipe.epochs"].choices == [2, 3]


def test_conditions_and_whole_blocks_come_first():
    fields = {
        "margin.m": Searched(low=0.1, high=0.5, when={"margin.name": ["arcface"]}),
        "margin": Searched(choices=["arcface", "softmax"]),
        "recipe.epochs": Searched(low=1, high=3, int=True),
    }
    assert list(in_order(fields)) == ["margin", "margin.m", "recipe.epochs"]
    found = list(points(in_order(fields), {"margin": "softmax"}, ends))
    assert [point.get("margin.m") for point in found] == [0.1, 0.1, 0.5, 0.5, None, None]
    assert {point["recipe.epochs"] for point in found} == {1, 3}


def test_steps_reach_the_end_and_no_further():
    assert stepped(Searched(low=0.1, high=0.5, step=0.2)) == [0.1, 0.3, 0.5]
    assert stepped(Searched(low=1, high=4, step=2, int=True)) == [1, 3]
    assert stepped(Searched(low=0.1, high=0.5)) is None


def test_choices_have_labels_that_differ():
    assert labels(["a", 2, None]) == ["a", 2, None]
    assert labels([1, True]) == ["1", "True"]
    assert labels([{"name": "x", "k": 1}, {"name": "x", "k": 2}, "y"]) == ["x(k=1)", "x(k=2)", "y"]
    assert labels([[], ["flip"]]) == ["none", "flip"]
