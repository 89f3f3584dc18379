"""A table says which terms a row's loss has."""

from pathlib import Path

import pytest
from fabricated import fabricate

from bench.catalog import TERMS
from bench.report.labels import terms_label
from bench.report.results import report_data
from bench.report.table import build_table
from bench.store import Store

REGULARFACE = {"name": "regularface", "weight": 10.0, "every": 1, "sample": None}
CENTER_LOSS = {"name": "center_loss", "weight": 0.01, "alpha": 0.5}


def table(root: Path, terms: list[dict], **change: object):
    store = fabricate(root, backbones=("small_cnn",), margins=("arcface",), strengths=(0.0, 0.1), seeds=(0,), epochs=1)
    return build_table(report_data(planned(store, terms, **change), "made_up"))


def planned(store: Store, terms: list[dict], axis: str = "", gradient: str = "true") -> Store:
    plan = store.plan("made_up")
    for run in plan["runs"]:
        run["config"] |= {"terms": terms}
        run["config"]["margin"]["margin_gradient"] = gradient
        run["axes"] |= {"terms": axis} if axis else {}
    plan["axes"] += ["terms"] if axis else []
    store.write_plan("made_up", plan)
    return store


def test_terms_that_are_no_axis_stand_beside_the_margin(tmp_path: Path) -> None:
    assert [row.labels for row in table(tmp_path, [REGULARFACE, CENTER_LOSS]).rows] == [
        ("small_cnn", "arcface + regularface + center_loss(weight=0.01)", strength) for strength in ("0", "0.1")
    ]


def test_they_follow_the_gradient_convention(tmp_path: Path) -> None:
    found = table(tmp_path, [REGULARFACE], gradient="straight_through").rows[0].labels
    assert found == ("small_cnn", "arcface (straight-through) + regularface", "0")


def test_terms_that_are_an_axis_have_a_column_of_their_own(tmp_path: Path) -> None:
    found = table(tmp_path, [REGULARFACE], axis="regularface")
    assert found.axes == ("backbone", "margin", "λ", "terms")
    assert found.rows[0].labels == ("small_cnn", "arcface", "0", "regularface")


def test_without_terms_a_row_is_named_as_ever(tmp_path: Path) -> None:
    assert table(tmp_path, []).rows[0].labels == ("small_cnn", "arcface", "0")


@pytest.mark.parametrize(
    ("terms", "text"),
    [
        ([], ""),
        ([REGULARFACE], "regularface"),
        ([{**REGULARFACE, "weight": 3.0, "every": 4}], "regularface(every=4, weight=3.0)"),
        ([CENTER_LOSS, REGULARFACE], "center_loss(weight=0.01) + regularface"),
        ([{"name": "gone", "weight": 2.0}], "gone(weight=2.0)"),
    ],
)
def test_a_label_shows_what_is_not_usual(terms: list[dict], text: str) -> None:
    assert terms_label(terms) == text


def test_every_term_at_its_defaults_is_its_name_alone() -> None:
    for spec in TERMS:
        assert terms_label([{"name": spec.name, "weight": spec.traits["weight"], **spec.defaults}]) == spec.name
