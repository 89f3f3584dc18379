"""Terms in suites: one line adds them, mistakes name their line, and cells tell them apart."""

from pathlib import Path

import pytest

from bench.catalog import MARGINS, TERMS, Option, Spec
from bench.data.resolve import PreparedData
from bench.errors import SuiteError
from bench.scheduling.plan import plan_run
from bench.suite.suite import load_suite

BASE = """\
data: {root: synthetic, pixels: 32, protocols: [lfw]}
backbone: {name: small_cnn, embedding: 64}
margin: {name: arcface, m: 0.3}
recipe: {epochs: 2}
"""
DATA = PreparedData("t" * 16, 100, 10, {"lfw": "l" * 16}, {})
AXIS = "grid: {terms: [[], [regularface], [{name: center_loss, weight: 0.01}]], enhancement.strength: [0, 0.1]}\n"


def load(tmp_path: Path, text: str):
    path = tmp_path / "suite.yaml"
    path.write_text(text)
    return load_suite(path)


def mistakes(tmp_path: Path, text: str) -> dict[str, str]:
    """As a user reads them, by field."""
    with pytest.raises(SuiteError) as caught:
        load(tmp_path, text)
    return {m.field: str(m).removeprefix(str(tmp_path) + "/") for m in caught.value.mistakes}


def runs(suite):
    return [plan_run(item.cell, 0, DATA, item.axes) for item in suite.cells]


def test_a_margin_a_term_and_the_enhancement_are_a_line_each(tmp_path):
    suite = load(tmp_path, BASE + "terms: [regularface]\nenhancement: {strength: 0.1}\n")
    (run,) = runs(suite)
    assert run.config["margin"]["name"] == "arcface"
    assert run.config["enhancement"]["strength"] == 0.1
    assert run.config["terms"] == [{"name": "regularface", "weight": 10.0, "every": 1, "sample": None}]


def test_a_name_alone_takes_the_usual_weight_and_a_block_its_own(tmp_path):
    suite = load(tmp_path, BASE + "terms:\n- mhe\n- {name: center_loss, weight: 0.01, alpha: 0.2}\n")
    assert [term.flat for term in suite.cells[0].cell.terms.root] == [
        {"name": "mhe", "weight": 1.0, **TERMS.get("mhe").defaults},
        {"name": "center_loss", "weight": 0.01, "alpha": 0.2},
    ]


def test_the_order_of_terms_does_not_tell_runs_apart(tmp_path):
    (one,) = runs(load(tmp_path, BASE + "terms: [mhe, center_loss]\n"))
    (other,) = runs(load(tmp_path, BASE + "terms: [center_loss, mhe]\n"))
    assert one.run == other.run


@pytest.mark.parametrize(
    ("terms", "field", "words"),
    [
        (
            "[regularfase]",
            "terms[0].name",
            "suite.yaml:5: terms[0].name: unknown term 'regularfase'; did you mean 'reg",
        ),
        ("[{name: mhe, samples: 3}]", "terms[0].samples", "unknown option of term 'mhe': 'samples'; did you mean 'sam"),
        ("[{name: mhe, power: 3}]", "terms[0].power", "must be a whole number >= 0 and <= 2, found 3"),
        ("[{name: mhe, distance: angel}]", "terms[0].distance", "did you mean 'angle'?"),
        ("[{name: mhe, every: 0}]", "terms[0].every", "must be a whole number >= 1, found 0"),
        ("[{name: inter_loss, sample: 3}]", "terms[0].sample", "unknown option of term 'inter_loss': 'sample'"),
        ("[{name: center_loss, alpha: 0}]", "terms[0].alpha", "must be a number > 0 and <= 1, found 0"),
        ("[{name: mhe, weight: 0}]", "terms[0].weight", "Input should be greater than 0, found 0"),
        ("[{name: mhe, weight: -1}]", "terms[0].weight", "greater than 0, found -1"),
        ("[mhe, {name: mhe, weight: 2}]", "terms", "suite.yaml:5: terms: term 'mhe' is given twice"),
        ("mhe", "terms", "should be a valid list, found 'mhe'"),
    ],
)
def test_a_mistake_in_a_term_names_line_and_field(tmp_path, terms, field, words):
    found = mistakes(tmp_path, BASE + f"terms: {terms}\n")
    assert words in found[field]
    assert found[field].startswith("suite.yaml:5: ")
    assert len(found) == 1


def test_mistakes_in_an_axis_of_terms_name_its_line(tmp_path):
    axis = "grid:\n  terms:\n  - []\n  - [{name: regularface, weight: 0}]\n  - [uniformfase]\n"
    found = mistakes(tmp_path, BASE + axis)
    assert found["grid.terms[1][0].weight"].startswith("suite.yaml:8: ")
    assert found["grid.terms[2][0].name"].startswith("suite.yaml:9: ")
    assert "did you mean 'uniformface'?" in found["grid.terms[2][0].name"]


def test_a_term_between_classes_and_several_centres_a_class_do_not_go_together(tmp_path, monkeypatch):
    options = (Option("K", 3, "centres a class", minimum=1),)
    traits = {"angular": False, "logits": "cosine", "subcentres": "K"}
    spec = Spec("margin", "several", "", "", lambda theta: theta, options, traits)
    assert MARGINS.names()
    monkeypatch.setitem(MARGINS._specs, "several", spec)
    several = BASE.replace("{name: arcface, m: 0.3}", "several") + "terms:\n- center_loss\n- intra_loss\n- mhe\n"
    words = "suite.yaml:8: terms[2]: term 'mhe' compares one centre a class, but margin 'several' has 3"
    assert mistakes(tmp_path, several) == {"terms[2]": words}
    assert load(tmp_path, several.replace("several", "{name: several, K: 1}")).cells


def test_an_axis_of_terms_has_readable_labels(tmp_path):
    assert [c.axes["terms"] for c in load(tmp_path, BASE + AXIS).cells[::2]] == ["none", "regularface", "center_loss"]
    several = "grid: {terms: [[mhe, center_loss], [mhe, {name: center_loss, weight: 0.1}], [mhe]]}\n"
    assert [c.axes["terms"] for c in load(tmp_path, BASE + several).cells] == [
        "mhe+center_loss", "mhe+center_loss(weight=0.1)", "mhe",
    ]  # fmt: skip


def test_terms_are_part_of_the_run_and_only_what_they_mean_counts(tmp_path):
    def run(terms):
        return runs(load(tmp_path, BASE + f"terms: {terms}\n"))[0].run

    plain = runs(load(tmp_path, BASE))[0].run
    assert run("[]") == plain
    assert run("[regularface]") == run("[{name: regularface, weight: 10, every: 1}]")
    others = ["[regularface]", "[{name: regularface, weight: 3}]", "[{name: regularface, every: 2}]", "[mhe]"]
    assert len({plain, *map(run, others)}) == 5


def test_a_cell_is_compared_with_strength_0_and_the_same_terms(tmp_path):
    """What the tables' Δ subtracts."""
    planned = runs(load(tmp_path, BASE + AXIS))
    assert len({run.cell for run in planned}) == 6
    for base, enhanced in zip(planned[::2], planned[1::2], strict=True):
        assert base.axes["terms"] == enhanced.axes["terms"]
        assert enhanced.baseline == base.baseline == base.cell
