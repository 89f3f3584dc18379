"""Suites: everything that is wrong is said at once, with line, field, what is allowed and the nearest name."""

import json
from pathlib import Path

import pytest

from bench.errors import SuiteError
from bench.suite.blocks import json_schema
from bench.suite.schema import far_text
from bench.suite.suite import load_suite

BASE = """\
data: {root: synthetic, pixels: 32, protocols: [lfw]}
backbone: {name: small_cnn, embedding: 64}
margin: {name: arcface, m: 0.3}
recipe: {epochs: 2}
"""


def load(tmp_path: Path, text: str, *overrides: str):
    path = tmp_path / "suite.yaml"
    path.write_text(text)
    return load_suite(path, overrides)


def mistakes(tmp_path: Path, text: str, *overrides: str) -> dict[str, tuple[int | None, str]]:
    with pytest.raises(SuiteError) as caught:
        load(tmp_path, text, *overrides)
    return {m.field: (m.line, m.problem) for m in caught.value.mistakes}


def test_a_product_of_axes_with_the_last_moving_fastest(tmp_path):
    suite = load(tmp_path, BASE + "grid: {margin.m: [0.1, 0.2], recipe.batch: [32, 64]}\nseeds: 2\n")
    assert [c.axes for c in suite.cells] == [
        {"margin.m": m, "recipe.batch": b} for m in ("0.1", "0.2") for b in ("32", "64")
    ]
    assert suite.seeds == (0, 1)


def test_zipped_axes_move_together_and_must_have_one_length(tmp_path):
    suite = load(tmp_path, BASE + "grid: {zip: [{margin.m: [0.1, 0.2], margin.s: [16, 32]}]}\n")
    assert [(c.cell.margin.options["m"], c.cell.margin.options["s"]) for c in suite.cells] == [(0.1, 16), (0.2, 32)]
    found = mistakes(tmp_path, BASE + "grid: {zip: [{margin.m: [0.1, 0.2], margin.s: [16]}]}\n")
    assert "margin.m: 2, margin.s: 1" in found["grid.zip[0]"][1]


def test_exclusions_drop_cells_and_one_that_drops_nothing_is_a_mistake(tmp_path):
    grid = "grid:\n  margin: [arcface, cosface]\n  enhancement.strength: [0, 0.1]\n  exclude: [{PATTERN}]\n"
    pattern = "{margin: cosface, enhancement.strength: 0.1}"
    suite = load(tmp_path, BASE + grid.replace("{PATTERN}", pattern))
    assert len(suite.cells) == 3
    found = mistakes(tmp_path, BASE + grid.replace("{PATTERN}", "{margin: sphereface}"))
    assert "excludes nothing" in found["grid.exclude[0]"][1]
    assert found["grid.exclude[0]"][0] == 8
    every = mistakes(tmp_path, BASE + "grid: {margin.m: [0.1], exclude: [{margin.m: 0.1}]}\n")
    assert "zero runs" in every["grid"][1]


def test_every_gate_at_strength_zero_is_one_and_the_same_cell(tmp_path):
    grid = "grid: {enhancement.gate: [posterior, uniform], enhancement.strength: [0, 0.1]}\n"
    suite = load(tmp_path, BASE + grid)
    assert len(suite.cells) == 3
    assert sum(c.cell.enhancement is None for c in suite.cells) == 1


def test_all_mistakes_are_reported_at_once_where_they_stand(tmp_path):
    text = """\
data: {root: synthetic, pixels: 4}
backbone: {name: smal_cnn}
recipe:
  epochs: 0
  optimiser: {name: sgd, lrr: 0.1}
grid:
  margin: [{name: arcface, mm: 0.5}, {name: cosfase}]
  enhancement.strength: [0, -1]
  recipe.batch: []
repot: {}
"""
    found = mistakes(tmp_path, text)
    assert found["data.pixels"][0] == 1
    assert found["backbone.name"][0] == 2
    assert "did you mean 'small_cnn'?" in found["backbone.name"][1]
    assert found["recipe.epochs"] == (4, "Input should be greater than 0, found 0")
    assert "did you mean 'lr'?" in found["recipe.optimiser.lrr"][1]
    assert found["grid.margin[0].mm"][0] == 7
    assert "did you mean 'm'?" in found["grid.margin[0].mm"][1]
    assert "did you mean 'cosface'?" in found["grid.margin[1].name"][1]
    assert found["grid.enhancement.strength[1]"][0] == 8
    assert "zero runs" in found["grid.recipe.batch"][1]
    assert "did you mean 'report'?" in found["repot"][1]
    assert len(found) == 9


@pytest.mark.parametrize(
    ("text", "field", "words"),
    [
        (BASE + "seeds: [1, 1]\n", "seeds", "twice"),
        (BASE + "grid: {zip: {recipe.epochs: [1, 2, 1], recipe.batch: [8, 8, 8]}}\n", "grid.zip", "point 3 is there"),
        (BASE + "seeds: 0\n", "seeds", "at least 1 item"),
        (BASE + "margin: arcface\n", "margin", "given twice"),
        (BASE + "grid: {mragin: [arcface]}\n", "grid.mragin", "did you mean 'margin'?"),
        (BASE.replace("epochs: 2", "epochs: 2, select: validation"), "recipe.select", "data.validation.identities"),
        (BASE.replace("epochs: 2", "epochs: 2, warmup_epochs: 2"), "recipe.warmup_epochs", "must be below"),
        (
            BASE.replace("epochs: 2", "batch: 32, micro_batch: 12"),
            "recipe.micro_batch",
            "must divide recipe.batch (32), found 12",
        ),
        (BASE.replace("epochs: 2", "micro_batch: 256"), "recipe.micro_batch", "must divide recipe.batch (128)"),
        (BASE.replace("epochs: 2", "micro_batch: 1"), "recipe.micro_batch", "greater than or equal to 2, found 1"),
        (BASE.replace("epochs: 2", "ema: 1"), "recipe.ema", "less than 1, found 1"),
        (BASE.replace("epochs: 2", "ema: 0"), "recipe.ema", "greater than 0, found 0"),
        (BASE.replace("epochs: 2", "precision: half"), "recipe.precision", "'float16', found 'half'"),
        (BASE + "grid: {recipe.micro_batch: [64, 48]}\n", "grid.recipe.micro_batch[1]", "must divide recipe.batch"),
        (BASE.replace("[lfw]", "[lfw, lfw]"), "data.protocols", "two protocols are called lfw"),
        (BASE.replace("[lfw]", "[{name: lfw, format: lwf}]"), "data.protocols[0].format", "did you mean 'lfw'?"),
        (BASE.replace("margin: {name: arcface, m: 0.3}\n", ""), "margin", "is missing"),
        (BASE + "evaluation: {far: [2]}\n", "evaluation.far", "between 0 and 1"),
        (BASE + "classifier: {share: 0}\n", "classifier.share", "greater than 0, found 0"),
        (BASE + "classifier: {share: 1.1}\n", "classifier.share", "less than or equal to 1, found 1.1"),
        (BASE + "classifier: {block: 0}\n", "classifier.block", "greater than 0, found 0"),
        (BASE + "classifier: {blocks: 8}\n", "classifier.blocks", "did you mean 'block'?"),
        (BASE + "grid: {classifier.share: [1, 2]}\n", "grid.classifier.share[1]", "less than or equal to 1, found 2"),
    ],
)
def test_a_mistake_names_its_field(tmp_path, text, field, words):
    assert words in mistakes(tmp_path, text)[field][1]


def test_overrides_replace_fields_and_axes(tmp_path):
    text = BASE + "grid: {enhancement.strength: [0, 0.1, 0.2]}\n"
    suite = load(tmp_path, text, "grid.enhancement.strength=[0, 1e-2]", "recipe.epochs=7")
    assert len(suite.cells) == 2
    assert {c.cell.recipe.epochs for c in suite.cells} == {7}
    hidden = mistakes(tmp_path, text, "enhancement.strength=0.5")
    assert "set grid.enhancement.strength" in hidden["enhancement.strength"][1]
    with pytest.raises(SuiteError, match="field=value"):
        load(tmp_path, text, "recipe.epochs")


def test_twin_cells_are_warned_of(tmp_path):
    text = BASE.replace("name: arcface, m: 0.3", "name: cosface")
    suite = load(tmp_path, text + "enhancement: {strength: 0.1}\ngrid: {enhancement.profile: [matched, cosine]}\n")
    assert len(suite.warnings) == 1
    assert "twins" in suite.warnings[0]
    true_gradient = load(
        tmp_path, BASE + "enhancement: {strength: 0.1}\ngrid: {enhancement.profile: [matched, cosine]}\n"
    )
    assert not true_gradient.warnings


def test_the_margin_gradient_may_be_written_as_a_truth_value(tmp_path):
    grid = "grid: {margin.margin_gradient: [true, straight_through]}\n"
    suite = load(tmp_path, BASE + grid)
    assert [c.cell.margin.options["margin_gradient"] for c in suite.cells] == ["true", "straight_through"]


@pytest.mark.parametrize("text", ["1e-3", "0.001", "1.0e-3"])
def test_false_accept_rates_have_one_spelling(text):
    assert far_text(text) == far_text(float(text)) == "1e-3"


def test_the_schema_is_json_and_knows_every_block():
    schema = json.loads(json.dumps(json_schema()))
    blocks = {"data", "backbone", "margin", "enhancement", "recipe", "grid", "seeds", "report"}
    assert blocks <= set(schema["properties"])
    assert schema["additionalProperties"] is False


def test_blocks_on_an_axis_are_labelled_by_name_or_format_with_options_only_where_needed(tmp_path):
    grid = "grid: {data.train: [{format: folder, path: a}, {format: lfw_images, path: b}], margin.m: [0.1, 0.2]}\n"
    labels = [c.axes["data.train"] for c in load(tmp_path, BASE + grid).cells]
    assert labels == ["folder", "folder", "lfw_images", "lfw_images"]
    grid = "grid: {margin: [{name: arcface, m: 0.1}, {name: arcface, m: 0.2}, cosface]}\n"
    assert [c.axes["margin"] for c in load(tmp_path, BASE + grid).cells] == [
        "arcface(m=0.1)",
        "arcface(m=0.2)",
        "cosface",
    ]
