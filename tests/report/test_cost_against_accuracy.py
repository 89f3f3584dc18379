"""Cost against accuracy: the front and the overhead against plain loops."""

from __future__ import annotations

import random
from pathlib import Path

import pandas as pd
import pytest
from fabricated import fabricate, write_run

from bench.catalog import FIGURES
from bench.report.figures._plot import style
from bench.report.figures.cost_against_accuracy import on_front
from bench.report.results import report_data

SMALL = {"backbones": ("small_cnn",), "margins": ("arcface", "$m$"), "strengths": (0.0, 0.1), "protocols": ("lfw",)}


def test_the_front_is_what_nothing_beats() -> None:
    rng = random.Random(5)
    points = [(rng.randint(1, 12), rng.randint(1, 12)) for _ in range(60)]
    expected = []
    for cost, gain in points:
        beaten = False
        for other_cost, other_gain in points:
            no_worse = other_cost <= cost and other_gain >= gain
            beaten = beaten or (no_worse and (other_cost, other_gain) != (cost, gain))
        expected.append(not beaten)
    costs, gains = zip(*points, strict=True)
    assert on_front(pd.Series(costs), pd.Series(gains)) == expected
    assert 1 < sum(expected) < 30


def drawn(store):
    with style():
        drawing = FIGURES.get("cost_against_accuracy").function(report_data(store, "made_up"))
        if drawing is not None:
            drawing.figure.draw_without_rendering()
    return drawing


def test_overhead_is_paired_by_seed_within_a_class(tmp_path: Path) -> None:
    store = fabricate(tmp_path, **SMALL)
    seconds = {("arcface", 0.0): (10, 20), ("arcface", 0.1): (11, 22), ("$m$", 0.0): (5, 5), ("$m$", 0.1): (6, 5)}
    for run in store.plan("made_up")["runs"]:
        key = run["axes"]["margin"], float(run["axes"]["enhancement.strength"])
        write_run(store, run, metrics={"loss": 1.0, "train_seconds": seconds[key][run["seed"]]})
    table = drawn(store).data.set_index(["margin", "strength"])
    assert table.loc[("arcface", 0.1), "overhead"] == pytest.approx(10)
    assert table.loc[("$m$", 0.1), "overhead"] == pytest.approx(10)
    assert pd.isna(table.loc[("arcface", 0.0), "overhead"])
    assert table["seconds"].to_dict() == {key: sum(value) / 2 for key, value in seconds.items()}
    assert table["parameters"].isna().all() or table["parameters"].eq(3_453_568).all()


def test_runs_without_seconds_are_no_figure(tmp_path: Path) -> None:
    store = fabricate(tmp_path, **SMALL)
    for run in store.plan("made_up")["runs"]:
        write_run(store, run, metrics={"loss": 1.0})
    assert drawn(store) is None
