"""The enhancement of a suite: its schedule, what is refused at plan time, and what makes another run."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.catalog import GATES, MARGINS, Spec
from bench.errors import SuiteError
from bench.scheduling.plan import plan_run
from bench.suite.suite import load_suite

BASE = """\
data: {root: synthetic, pixels: 32, protocols: [lfw]}
backbone: {name: small_cnn, embedding: 64}
margin: {name: arcface, m: 0.3}
enhancement:
  strength: 0.1
  gate: {name: posterior}
  schedule:
    name: constant
recipe: {epochs: 3}
"""
DATA = SimpleNamespace(train="t" * 16, images=32, identities=4, protocols={"lfw": "p" * 16})


def load(folder: Path, text: str, *overrides: str):
    path = folder / "suite.yaml"
    path.write_text(text)
    return load_suite(path, overrides)


def mistakes(folder: Path, text: str, *overrides: str) -> list[str]:
    """What is wrong, each without the folder."""
    with pytest.raises(SuiteError) as caught:
        load(folder, text, *overrides)
    return [str(mistake).removeprefix(f"{folder}/") for mistake in caught.value.mistakes]


def scheduled(schedule: str, text: str = BASE) -> str:
    return text.replace("  schedule:\n    name: constant\n", f"  schedule:\n    {schedule}\n")


def run_id(folder: Path, text: str) -> str:
    (item,) = load(folder, text).cells
    return plan_run(item.cell, 0, DATA, {}).run


@pytest.mark.parametrize(
    ("schedule", "says"),
    [
        (
            "name: lineer",
            "suite.yaml:8: enhancement.schedule.name: unknown schedule 'lineer'; did you mean 'linear'? "
            "(allowed: after_epoch, constant, cosine, linear)",
        ),
        (
            "epochs: 2",
            "suite.yaml:7: enhancement.schedule.name: is missing (allowed: after_epoch, constant, cosine, linear)",
        ),
        (
            "liner",
            "suite.yaml:7: enhancement.schedule: must be a block such as {name: linear} "
            "(allowed: after_epoch, constant, cosine, linear), found 'liner'",
        ),
        (
            "name: [1]",
            "suite.yaml:8: enhancement.schedule.name: unknown schedule '[1]' "
            "(allowed: after_epoch, constant, cosine, linear)",
        ),
        (
            "{name: linear, epoch: 2}",
            "suite.yaml:8: enhancement.schedule.epoch: unknown field 'epoch'; did you mean 'epochs'? "
            "(allowed: epochs, name)",
        ),
        (
            "{name: cosine, final: 1}",
            "suite.yaml:8: enhancement.schedule.final: unknown field 'final' (allowed: first, last, name)",
        ),
        (
            "{name: constant, epochs: 1}",
            "suite.yaml:8: enhancement.schedule.epochs: unknown field 'epochs' (allowed: name)",
        ),
        ("name: after_epoch", "suite.yaml:7: enhancement.schedule.epoch: is missing"),
        (
            "{name: after_epoch, epoch: 3}",
            "suite.yaml:8: enhancement.schedule.epoch: must be below recipe.epochs (3), found 3",
        ),
        (
            "{name: linear, epochs: 3.5}",
            "suite.yaml:8: enhancement.schedule.epochs: must be at most recipe.epochs (3), or λ is never reached, "
            "found 3.5",
        ),
        (
            "{name: linear, epochs: 0}",
            "suite.yaml:8: enhancement.schedule.epochs: Input should be greater than 0, found 0",
        ),
        (
            "{name: cosine, first: -1}",
            "suite.yaml:8: enhancement.schedule.first: Input should be greater than or equal to 0, found -1",
        ),
    ],
)
def test_a_mistake_in_a_schedule_is_told_at_its_line_with_what_is_allowed(tmp_path, schedule, says):
    assert mistakes(tmp_path, scheduled(schedule)) == [says]


@pytest.mark.parametrize(
    ("recipe", "says"),
    [
        (
            "optimiser: {name: sdg}",
            "suite.yaml:11: recipe.optimiser.name: unknown optimiser 'sdg'; did you mean 'sgd'? (allowed: adamw, sgd)",
        ),
        (
            "schedule: {name: cosin}",
            "suite.yaml:11: recipe.schedule.name: unknown schedule 'cosin'; did you mean 'cosine'? "
            "(allowed: constant, cosine, polynomial, step)",
        ),
        (
            "schedule: cosine",
            "suite.yaml:11: recipe.schedule: must be a block such as {name: cosine} "
            "(allowed: constant, cosine, polynomial, step), found 'cosine'",
        ),
    ],
)
def test_every_block_with_a_choice_of_names_speaks_like_that(tmp_path, recipe, says):
    assert mistakes(tmp_path, BASE.replace("recipe: {epochs: 3}", f"recipe:\n  epochs: 3\n  {recipe}")) == [says]


def test_a_schedule_on_an_axis_is_told_at_the_axis(tmp_path):
    grid = (
        "grid:\n  enhancement.schedule:\n  - {name: constant}\n  - {name: lineer}\n  - {name: after_epoch, epoch: 9}\n"
    )
    first, second = mistakes(tmp_path, scheduled("name: constant").replace("recipe:", grid + "recipe:"))
    assert first.startswith("suite.yaml:12: grid.enhancement.schedule[1].name: unknown schedule 'lineer'")
    assert second.startswith("suite.yaml:13: grid.enhancement.schedule[2].epoch: must be below recipe.epochs (3)")


def test_a_schedule_and_each_of_its_numbers_is_part_of_the_run_id(tmp_path):
    schedules = [
        "name: constant", "name: linear", "{name: linear, epochs: 2}", "name: cosine", "{name: cosine, first: 0.5}",
        "{name: cosine, last: 0.5}", "{name: after_epoch, epoch: 1}", "{name: after_epoch, epoch: 2}",
    ]  # fmt: skip
    assert len({run_id(tmp_path, scheduled(schedule)) for schedule in schedules}) == len(schedules)


def test_a_schedule_written_out_with_its_defaults_is_the_same_run(tmp_path):
    assert run_id(tmp_path, scheduled("name: linear")) == run_id(tmp_path, scheduled("{name: linear, epochs: 1}"))
    assert run_id(tmp_path, BASE) == run_id(tmp_path, BASE.replace("  schedule:\n    name: constant\n", ""))


def test_at_strength_zero_the_whole_block_is_gone_schedule_included(tmp_path):
    bare = run_id(tmp_path, BASE[: BASE.index("enhancement")] + BASE[BASE.index("recipe") :])
    for schedule in (
        "name: constant",
        "name: linear",
        "{name: after_epoch, epoch: 2}",
        "{name: after_epoch, epoch: 9}",
    ):
        zero = scheduled(schedule).replace("strength: 0.1", "strength: 0")
        assert load(tmp_path, zero).cells[0].cell.enhancement is None
        assert run_id(tmp_path, zero) == bare
    assert run_id(tmp_path, BASE) != bare


SQUARES = Spec(
    "margin", "squares", "squares of cosines", "a test", lambda theta: theta.cos(),
    traits={"angular": False, "logits": "cosine", "cost": None, "positive": None, "prefactor": None},
)  # fmt: skip


@pytest.fixture
def squares(monkeypatch):
    """A loss without a posterior, such as a package may bring."""
    MARGINS.names()
    monkeypatch.setitem(MARGINS._specs, SQUARES.name, SQUARES)


@pytest.mark.usefixtures("squares")
def test_a_loss_without_a_posterior_refuses_every_gate_but_uniform_by_name_when_it_is_planned(tmp_path):
    losses = [spec.name for spec in MARGINS if "cost" in spec.traits and "posterior" not in spec.traits]
    assert SQUARES.name in losses
    for loss in losses:
        text = BASE.replace("{name: arcface, m: 0.3}", f"{{name: {loss}}}")
        for gate in set(GATES.names()) - {"uniform"}:
            assert mistakes(tmp_path, text.replace("name: posterior", f"name: {gate}")) == [
                f"suite.yaml:6: enhancement.gate: margin {loss!r} declares no posterior, "
                f"so the gate must be 'uniform', found {gate!r}"
            ]
        assert load(tmp_path, text.replace("name: posterior", "name: uniform")).cells
        assert load(tmp_path, text, "enhancement.strength=0").cells


@pytest.mark.usefixtures("squares")
def test_on_an_axis_the_margin_that_refuses_is_named(tmp_path):
    grid = "grid:\n  margin: [arcface, squares]\n  enhancement.strength: [0, 0.1]\n"
    text = BASE.replace("margin: {name: arcface, m: 0.3}\n", "").replace("  strength: 0.1\n", "")
    (only,) = mistakes(tmp_path, text + grid)
    assert only.startswith("suite.yaml:4: enhancement.gate: margin 'squares' declares no posterior")
