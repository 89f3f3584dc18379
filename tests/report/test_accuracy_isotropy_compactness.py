"""The scatter of cells: its numbers are means over protocols and seeds, its names are text."""

from __future__ import annotations

import math
import statistics
from pathlib import Path

import pytest
from fabricated import accuracy, fabricate

from bench.catalog import FIGURES
from bench.report.effects import seed_interval
from bench.report.figures._plot import style
from bench.report.results import report_data

DROPS = {"lfw": 0.0, "ytf": 0.03}


def drawn(root: Path, **change: object):
    settings = {"backbones": ("small_cnn",), "protocols": tuple(DROPS), "epochs": 1, **change}
    data = report_data(fabricate(root, **settings), "made_up")
    with style():
        drawing = FIGURES.get("accuracy_isotropy_compactness").function(data)
        if drawing is not None:
            drawing.figure.draw_without_rendering()
    return drawing


def test_a_cell_is_the_mean_over_protocols_and_seeds_with_its_interval(tmp_path: Path) -> None:
    table = drawn(tmp_path, seeds=(0, 1, 2)).data
    for margin in ("normface", "arcface", "cosface"):
        for strength in (0.0, 0.01, 0.1, 1.0):
            by_seed = [
                100 * statistics.mean(accuracy("small_cnn", margin, strength, seed) - d for d in DROPS.values())
                for seed in (0, 1, 2)
            ]
            cell = table[(table["panel"] == margin) & (table["strength"] == strength)].iloc[0]
            assert cell["accuracy"] == pytest.approx(statistics.mean(by_seed))
            assert (cell["accuracy_low"], cell["accuracy_high"]) == pytest.approx(seed_interval(by_seed))
            assert cell["isotropy"] == pytest.approx(0.4 + 0.3 * strength)
            assert cell["compactness_deg"] == pytest.approx(34 - 8 * min(strength, 0.5))
            assert cell["seeds"] == 3


def test_one_seed_has_no_interval_and_nothing_finished_no_figure(tmp_path: Path) -> None:
    table = drawn(tmp_path / "one", seeds=(0,)).data
    assert table[["accuracy_low", "isotropy_high"]].isna().all(axis=None)
    gone = [("small_cnn", m, s, 0) for m in ("normface", "arcface", "cosface") for s in (0.0, 0.01, 0.1, 1.0)]
    assert drawn(tmp_path / "none", seeds=(0,), missing=gone) is None


def test_a_name_is_text_and_many_panels_are_cut(tmp_path: Path) -> None:
    names = ["$\\frac{a$ <script>", *(f"margin{i}" for i in range(17))]
    drawing = drawn(tmp_path, margins=names, strengths=(0.0, 0.1), seeds=(0,))
    titles = [ax.get_title() for ax in drawing.figure.axes if ax.get_title()]
    assert titles[0] == names[0]
    assert len(titles) == 15
    assert drawing.data["panel"].nunique() == 18
    assert "the first 15 of 18 panels" in drawing.figure.legends[0].get_title().get_text()
    assert math.isfinite(drawing.data["accuracy"].sum())
