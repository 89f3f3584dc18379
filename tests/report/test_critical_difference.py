"""The critical-difference diagram: what it ranks, what it leaves out, and that it can be read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from fabricated import accuracy, fabricate
from matplotlib.figure import Figure

from bench.catalog import FIGURES
from bench.evaluation.ranks import rank_rows
from bench.report.figures._dots import MOST_ROWS
from bench.report.figures._plot import style
from bench.report.figures.critical_difference import accuracy_by_task
from bench.report.results import ReportData, report_data

MARGINS = ("normface", "arcface", "cosface")
CASES = {
    3: {"backbones": ("small_cnn",), "strengths": (0.0,)},
    6: {"backbones": ("small_cnn",), "strengths": (0.0, 0.1)},
    12: {"backbones": ("small_cnn",), "strengths": (0.0, 0.01, 0.1, 1.0)},
    24: {"strengths": (0.0, 0.01, 0.1, 1.0)},
    60: {"strengths": tuple(np.linspace(0, 1, 10))},
}


def made_up(root: Path, **change: object) -> ReportData:
    settings = {"margins": MARGINS, "protocols": ("lfw", "ytf"), "epochs": 1, **change}
    return report_data(fabricate(root, **settings), "made_up")


@pytest.fixture
def drawn(tmp_path: Path) -> Iterator[tuple[ReportData, Figure]]:
    with style():
        data = made_up(tmp_path, **CASES[6])
        yield data, FIGURES.get("critical_difference").function(data).figure


def test_ranks_are_of_the_accuracy_on_every_protocol_and_seed(tmp_path: Path) -> None:
    table = accuracy_by_task(made_up(tmp_path, **CASES[6], seeds=(0, 1, 2)))
    assert list(table.index) == [(protocol, seed) for protocol in ("lfw", "ytf") for seed in (0, 1, 2)]
    expected = [accuracy("small_cnn", margin, strength, 1) for margin in MARGINS for strength in (0.0, 0.1)]
    assert table.loc[("lfw", 1)].tolist() == pytest.approx(expected)
    assert table.loc[("ytf", 1)].tolist() == pytest.approx([value - 0.03 for value in expected])


def test_points_and_labels_stand_in_order_of_rank(drawn: tuple[ReportData, Figure]) -> None:
    data, figure = drawn
    ranking = rank_rows(accuracy_by_task(data).to_numpy(), higher_is_better=True)
    ax = figure.axes[0]
    points = [line for line in ax.get_lines() if line.get_marker() == "o"]
    assert [line.get_xdata()[0] for line in points] == [ranking.ranks[row] for row in ranking.order]
    names = [f"{margin} · λ {strength}" for margin in MARGINS for strength in ("0", "0.1")]
    assert [label.get_text() for label in ax.get_yticklabels()] == [names[row] for row in ranking.order]
    filled = [line.get_markerfacecolor() != "white" for line in points]
    near = ranking.ranks - ranking.ranks.min() < ranking.critical_difference
    assert filled == [bool(near[row]) for row in ranking.order]
    assert any(filled)
    assert not all(filled)


def test_a_bar_spans_each_group(drawn: tuple[ReportData, Figure]) -> None:
    data, figure = drawn
    ranking = rank_rows(accuracy_by_task(data).to_numpy(), higher_is_better=True)
    bars = [line for line in figure.axes[0].get_lines() if line.get_linewidth() == 3]
    place = {row: at for at, row in enumerate(ranking.order)}
    spans = [(place[group[0]] - 0.3, place[group[-1]] + 0.3) for group in ranking.groups]
    assert [tuple(line.get_ydata()) for line in bars] == spans
    assert len(bars) > 1
    for one in bars:
        for other in bars:
            if one is not other and one.get_xdata()[0] == other.get_xdata()[0]:
                assert one.get_ydata()[1] < other.get_ydata()[0] or other.get_ydata()[1] < one.get_ydata()[0]


def test_what_is_unfinished_is_left_out_and_said(tmp_path: Path) -> None:
    gone = [("small_cnn", "cosface", 0.1, 0), ("small_cnn", "cosface", 0.1, 1), ("small_cnn", "arcface", 0.0, 1)]
    with style():
        data = made_up(tmp_path, **CASES[6], missing=gone)
        figure = FIGURES.get("critical_difference").function(data).figure
    assert accuracy_by_task(data).shape == (2, 5)
    said = figure.get_supxlabel()
    assert "5 rows over 2 tasks (protocol × seed) on LFW, YTF" in said
    assert "unfinished and left out: 1 of 6 rows, 2 of 4 tasks" in said


def test_a_protocol_without_accuracy_is_no_unfinished_task(tmp_path: Path) -> None:
    data = made_up(tmp_path, **CASES[6], protocols=("lfw", "ijbc"))
    frame = data.frame.assign(**{"ijbc.accuracy": np.nan})
    with style():
        figure = FIGURES.get("critical_difference").function(replace(data, frame=frame)).figure
    assert figure.get_supxlabel().endswith("6 rows over 2 tasks (protocol × seed) on LFW")


@pytest.mark.parametrize(
    "change",
    [
        {"margins": ("arcface",), "strengths": (0.0, 0.1)},
        {"strengths": (0.0,), "seeds": (0,), "protocols": ("lfw",)},
        {"strengths": (0.0,), "missing": [("small_cnn", margin, 0.0, seed) for margin in MARGINS for seed in (0, 1)]},
    ],
    ids=["two rows", "one task", "nothing finished"],
)
def test_too_little_is_not_drawn(tmp_path: Path, change: dict[str, object]) -> None:
    data = made_up(tmp_path, **{"backbones": ("small_cnn",), **change})
    assert FIGURES.get("critical_difference").function(data) is None


@pytest.mark.parametrize("rows", [*sorted(CASES), 0])
def test_nothing_overlaps_or_is_cut_off(tmp_path: Path, rows: int) -> None:
    with style():
        data = made_up(tmp_path, **CASES[rows or 3], seeds=(0,) if rows else range(6))
        if not rows:  # long names, and worst ranks that are far from the number of rows
            rows, alike = 3, data.frame["margin"] != "normface"
            frame = data.frame.assign(margin=data.frame["margin"] + " tuned" * 9)
            frame.loc[alike, ["lfw.accuracy", "ytf.accuracy"]] = 0.5
            data = replace(data, frame=frame)
        figure = FIGURES.get("critical_difference").function(data).figure
        figure.draw_without_rendering()
    ax = figure.axes[0]
    labels = [label.get_window_extent() for label in ax.get_yticklabels()]
    assert len(labels) == min(rows, MOST_ROWS)
    assert all(upper.y0 >= lower.y1 for upper, lower in pairwise(labels))
    ticks = [label.get_window_extent() for label in ax.get_xticklabels()]
    assert all(left.x1 < right.x0 for left, right in pairwise(ticks))
    page = figure.bbox
    for text in (*ax.get_yticklabels(), *ax.get_xticklabels(), *ax.texts, *figure.texts):
        box = text.get_window_extent()
        assert page.x0 <= box.x0
        assert box.x1 <= page.x1
        assert page.y0 <= box.y0
        assert box.y1 <= page.y1
    assert figure.get_figheight() < 9
    if rows > MOST_ROWS:
        assert f"the best {MOST_ROWS} of {rows} rows" in figure.get_supxlabel()
