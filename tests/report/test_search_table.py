"""The search's table: validation beside test, paired by seed, and nothing taken for more than it is."""

import math
from dataclasses import replace

import pytest

from bench.report import search_table
from bench.report.results import report_data
from tests.report.fabricated import fabricate
from tests.report.searches import ONE, record


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    store = fabricate(tmp_path_factory.mktemp("table"), backbones=("small_cnn",), margins=("arcface",), seeds=(1, 2, 3))
    found = report_data(store, "made_up")
    cells = {row.strength: row.cell for row in found.frame.itertuples()}
    search = record(names=ONE)
    search["studies"][0]["final"] = {"best": cells[0.1], "baseline": cells[0.0], "seeds": [1, 2, 3]}
    return replace(found, search=search)


def test_validation_and_test_numbers_stand_side_by_side(data):
    table = search_table.rows(data).set_index("what")
    study = data.search["studies"][0]
    best = study["trials"][study["best"][0]]
    assert table.loc["best", "validation"] == pytest.approx(100 * best["values"][0])
    assert table.loc["λ = 0", "validation"] == pytest.approx(100 * study["baseline"]["values"][0])
    assert table.loc["λ = 0", "validation_low"] == pytest.approx(100 * study["baseline_interval"][0])
    assert table.loc["difference", "validation"] == pytest.approx(
        100 * (best["values"][0] - study["baseline"]["values"][0])
    )
    assert table.loc["best", "lfw.mean"] == pytest.approx(100 * (0.88 + 0.02 + 0.02 + 0.008))  # as made up
    assert table.loc["difference", "lfw.mean"] == pytest.approx(2.0)
    # Student's t with 2 degrees of freedom, standard deviation 0.4, 3 seeds
    assert table.loc["best", "lfw.high"] - table.loc["best", "lfw.mean"] == pytest.approx(4.302653 * 0.4 / math.sqrt(3))
    assert list(table["seeds"]) == [3, 3, 3]
    assert table.loc["best", "configurations"] == 40
    assert table.loc["best", "epochs"] == sum(trial["epochs"] for trial in study["trials"])


def test_the_number_of_configurations_and_its_optimism_are_said(data):
    html, markdown = search_table.to_html(data), search_table.to_markdown(data)
    assert "the best of 40 configurations is optimistic" in html
    assert "the best of 40 configurations is optimistic" in markdown
    assert '<table class="sortable search">' in html
    assert html.count("<tr>") == 4
    assert 'data-value="2">+2.00' in html


def test_what_was_not_tested_is_a_dash_and_not_a_number(data):
    search = {**data.search, "studies": [{**data.search["studies"][0], "final": {"best": "gone", "baseline": "gone"}}]}
    table = search_table.rows(replace(data, search=search))
    assert table["lfw.mean"].isna().all()
    assert list(table["seeds"]) == [0, 0, 0]
    assert ">–</td>" in search_table.to_html(replace(data, search=search))


def test_a_fair_search_has_a_block_for_each_value_of_its_axis_and_hostile_names_stay_text(data):
    hostile = "<script>alert(1)</script>|"
    fair = replace(data, search=record(labels=("arcface", hostile), trials=5))
    assert list(search_table.rows(fair)["study"]) == ["arcface"] * 3 + [hostile] * 3
    assert "<script>" not in search_table.to_html(fair)
    assert "\\<script\\>" in search_table.to_markdown(fair)


def test_without_a_search_or_a_finished_trial_nothing_is_claimed(data):
    assert search_table.to_html(replace(data, search=None)) is None
    assert search_table.to_markdown(replace(data, search=None)) is None
    assert search_table.rows(replace(data, search=None)).empty
    empty = record(trials=1)
    empty["studies"][0]["trials"][0] |= {"values": None, "state": "failed"}
    empty["studies"][0] |= {"best": [], "baseline": None, "baseline_interval": None, "final": None}
    assert "no trial was finished" in search_table.to_html(replace(data, search=empty))
