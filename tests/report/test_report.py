"""The report from made-up results, against plain Python."""

from __future__ import annotations

import csv
import io
import math
import re
import statistics
from pathlib import Path

import numpy as np
import pytest
from fabricated import PROTOCOLS, accuracy, fabricate, planned_run

from bench.catalog import FIGURES
from bench.errors import StoreError
from bench.report.figures._operating_curves import accept_rates
from bench.report.results import load_results, report_data
from bench.report.table import OWN_DERIVATION, build_table
from bench.report.write import write_index, write_report
from bench.report.writers import latex_escape, to_csv, to_html, to_latex, to_markdown, to_rich, to_text
from bench.store import Store

SMALL = {"backbones": ("small_cnn",), "margins": ("arcface",), "strengths": (0.0, 0.1), "seeds": (0, 1, 2)}
FAILED = ("small_cnn", "arcface", 0.1, 1)
MISSING = ("small_cnn", "arcface", 0.0, 2)
NEED_MORE = {"intra_class_spectrum", "toy_embedding_2d", "toy_embedding_3d", "accuracy_by_margin"}
NEED_MORE |= {name for name in FIGURES.names() if name.startswith("search_")}
"""Figures of what a made-up store does not hold: spectra, toy networks, a search, a grid without strengths."""


def small(root: Path, **change: object) -> Store:
    return fabricate(root, **{**SMALL, **change}, epochs=2)


def test_every_planned_run_is_a_row(tmp_path: Path) -> None:
    store = small(tmp_path, failed={FAILED: "loss is NaN at step 3"}, missing=[MISSING])
    frame = load_results(store, ["made_up"])
    assert len(frame) == 6
    assert frame["status"].value_counts().to_dict() == {"done": 4, "failed": 1, "missing": 1}
    failed = frame[frame["status"] == "failed"].iloc[0]
    assert failed["error"] == "loss is NaN at step 3"
    assert math.isnan(failed["lfw.accuracy"])
    done = frame.iloc[0]
    assert done["lfw.accuracy"] == accuracy("small_cnn", "arcface", 0.0, 0)
    assert done["enhancement.strength"] == "0"
    assert done["gate"] is None or math.isnan(done["gate"])
    assert math.isnan(done["ytf.tar_at_far_1e-3"])


def test_a_trained_run_without_an_evaluation_is_missing(tmp_path: Path) -> None:
    store = small(tmp_path)
    run = planned_run("small_cnn", "arcface", 0.0, 0, protocols=PROTOCOLS)
    (store.evaluation_folder(run["run"]) / f"{run['evaluations']['lfw']}.json").unlink()
    row = load_results(store, ["made_up"]).iloc[0]
    assert (row["status"], row["error"]) == ("missing", "not evaluated: lfw")


def test_means_spreads_and_paired_differences(tmp_path: Path) -> None:
    """The failed seed has no pair: Δ is over the other two, not the difference of the means."""
    table = build_table(report_data(small(tmp_path, failed={FAILED: "gone"}), "made_up"))
    base = [100 * accuracy("small_cnn", "arcface", 0.0, seed) for seed in (0, 1, 2)]
    ours = [100 * accuracy("small_cnn", "arcface", 0.1, seed) for seed in (0, 2)]
    first, second = (row.entries[0] for row in table.rows)
    assert first.mean == pytest.approx(statistics.mean(base))
    assert first.sd == pytest.approx(statistics.stdev(base))
    assert second.n == 2
    assert second.delta == pytest.approx(statistics.mean([ours[0] - base[0], ours[1] - base[2]]))
    assert first.delta is None
    assert (second.mark, first.mark) == ("best", "second")
    assert table.rows[1].n_text == "2 (1 failed)"


def test_one_seed_has_no_spread_and_unmeasured_is_said(tmp_path: Path) -> None:
    table = build_table(report_data(small(tmp_path, seeds=(0,)), "made_up"))
    texts = dict(zip((c.key for c in table.columns), (e.text(2) for e in table.rows[0].entries), strict=True))
    assert texts["lfw.accuracy"] == f"{100 * accuracy('small_cnn', 'arcface', 0.0, 0):.2f}"
    assert texts["ytf.tar_at_far_1e-3"] == "n/m"
    notes = " ".join(table.notes)
    assert "not measurable" in notes
    assert OWN_DERIVATION in notes


def test_cells_that_print_alike_are_marked_alike(tmp_path: Path) -> None:
    store = small(tmp_path, strengths=(0.0, 1e-9, 0.1), seeds=(0,))
    table = build_table(report_data(store, "made_up"))
    assert [row.entries[0].mark for row in table.rows] == ["second", "second", "best"]


def test_a_margin_gradient_that_is_not_the_default_is_in_the_name(tmp_path: Path) -> None:
    store = small(tmp_path)
    plan = store.plan("made_up")
    for run in plan["runs"]:
        run["config"]["margin"]["margin_gradient"] = "straight_through"
        run["config"]["recipe"] = {"select": "validation"}
    store.write_plan("made_up", plan)
    table = build_table(report_data(store, "made_up"))
    assert table.rows[0].labels == ("small_cnn (epoch selected by validation)", "arcface (straight-through)", "0")


@pytest.mark.parametrize("axis", [None, "classifier", "classifier.share"])
def test_partial_fc_is_in_the_name_where_no_axis_says_it(tmp_path: Path, axis: str | None) -> None:
    store = small(tmp_path)
    plan = store.plan("made_up")
    for run in plan["runs"]:
        run["config"]["classifier"] = {"share": 0.1, "block": None}
        if axis is not None:
            run["axes"][axis] = "0.1"
    if axis is not None:
        plan["axes"].append(axis)
    store.write_plan("made_up", plan)
    labels = build_table(report_data(store, "made_up")).rows[0].labels
    expected = ("small_cnn", "arcface (Partial FC 0.1)", "0") if axis is None else ("small_cnn", "arcface", "0", "0.1")
    assert labels == expected


@pytest.mark.parametrize(
    ("options", "suffix"),
    [
        ({"name": "elasticface_arc_plus", "as_released": True, "margin_gradient": "straight_through"},
         " (as-released, straight-through)"),
        ({"name": "arcface", "m": 0.3, "fallback": "legacy"}, " (legacy)"),
        ({"name": "arcface", "m": 0.3}, ""),
        ({"name": "somebody_elses"}, " (not installed here)"),
    ],
)  # fmt: skip
def test_options_that_change_what_a_margin_is_are_in_its_name(
    tmp_path: Path, options: dict[str, object], suffix: str
) -> None:
    """Numbers are not; an option that is a column of its own, here as_released, is not said twice."""
    store = small(tmp_path)
    plan = store.plan("made_up")
    for run in plan["runs"]:
        run["config"]["margin"] = options
        run["axes"]["margin"] = options["name"]
    store.write_plan("made_up", plan)
    assert build_table(report_data(store, "made_up")).rows[0].labels[1] == f"{options['name']}{suffix}"
    plan["axes"].append("margin.as_released")
    for run in plan["runs"]:
        run["axes"]["margin.as_released"] = "whatever"
    store.write_plan("made_up", plan)
    label = build_table(report_data(store, "made_up")).rows[0].labels[1]
    assert label == f"{options['name']}{suffix.replace('as-released, ', '')}"


def test_csv_is_plain_numbers_without_timing(tmp_path: Path) -> None:
    table = build_table(report_data(small(tmp_path), "made_up"))
    rows = list(csv.DictReader(io.StringIO(to_csv(table))))
    assert float(rows[1]["lfw.accuracy.mean"]) == pytest.approx(table.rows[1].entries[0].mean, abs=1e-6)
    assert float(rows[1]["lfw.accuracy.delta"]) == pytest.approx(table.rows[1].entries[0].delta, abs=1e-6)
    assert rows[0]["ytf.tar_at_far_1e-3.mean"] == ""
    assert not [name for name in rows[0] if "second" in name or "images" in name]


def test_writers_escape_and_mark(tmp_path: Path) -> None:
    store = small(tmp_path, plan={"title": "50% <b>R&D</b> a_b|c"})
    table = build_table(report_data(store, "made_up"))
    latex, html, markdown = to_latex(table), str(to_html(table)), to_markdown(table)
    assert r"50\% \textless{}b\textgreater{}R\&D" in latex
    assert "\\toprule" in latex
    assert r"\textbf{" in latex
    assert r"\underline{" in latex
    assert latex.isascii()
    assert "<b>" not in html
    assert "<strong>" in html
    assert r"a\_b\|c" in markdown
    assert "**9" in markdown
    assert "<u>9" in markdown
    assert "small_cnn" in to_text(table)
    assert to_rich(table).row_count == 2


@pytest.mark.parametrize(
    ("text", "escaped"),
    [("a_b", r"a\_b"), ("\\x{", r"\textbackslash{}x\{"), ("~^", r"\textasciitilde{}\textasciicircum{}")],
)
def test_latex_escape(text: str, escaped: str) -> None:
    assert latex_escape(text) == escaped


def test_accept_rates_match_a_plain_loop() -> None:
    """With ties: the largest TAR over thresholds that accept at most k impostors."""
    generator = np.random.default_rng(0)
    scores = generator.integers(0, 12, 60) / 12
    same = generator.random(60) < 0.5
    far, tar = accept_rates(scores, same)
    for rate, found in zip(far, tar, strict=True):
        best = 0.0
        for threshold in [*scores, 2.0]:
            accepted = scores >= threshold
            if (accepted & ~same).sum() <= round(rate * (~same).sum()):
                best = max(best, (accepted & same).sum() / same.sum())
        assert found == pytest.approx(best)


def test_what_was_allowed_of_the_data_stands_under_every_table(tmp_path: Path) -> None:
    note = "the training set and lfw share 1 people by name (<i>Ann</i>); allowed: a_test"
    table = build_table(report_data(small(tmp_path, plan={"notes": [note]}), "made_up"))
    assert table.notes[-2] == f"Data: {note}."
    assert "&lt;i&gt;Ann&lt;/i&gt;" in to_html(table)
    assert "<i>Ann</i>" not in to_html(table)
    assert "allowed: a\\_test" in to_markdown(table)
    assert "allowed: a\\_test" in to_latex(table)


def test_the_whole_report_is_self_contained_and_repeats_byte_for_byte(tmp_path: Path) -> None:
    store = small(
        tmp_path, strengths=(0.0, 0.05, 0.1), protocols=("lfw",), failed={FAILED: "broke <script>alert(1)</script>"},
        plan={"warnings": ["twin cells <i>"]},
    )  # fmt: skip
    first = {path: path.read_bytes() for path in write_report(store, "made_up").files}
    stale = store.suite_folder("made_up") / "report" / "figures" / "gone.png"
    stale.write_bytes(b"old")
    (stale.parent / "drawn.json").unlink()  # or the figures would not be drawn again
    again = write_report(store, "made_up")
    assert {path: path.read_bytes() for path in again.files} == first
    assert not stale.exists()
    names = {path.name for path in again.files}
    assert {"table.md", "table.tex", "table.csv", "runs.csv", "report.html"} <= names
    drawn = {path.stem for path in again.files if path.suffix == ".png"}
    assert drawn == set(FIGURES.names()) - NEED_MORE
    assert {f"{name}.{kind}" for name in drawn for kind in ("png", "pdf", "csv")} <= names
    page = again.page.read_text()
    assert "<script>alert" not in page
    assert "broke &lt;script&gt;" in page
    assert "twin cells &lt;i&gt;" in page
    assert "c0ffee" in page
    assert not re.search(r"src=\"(?!data:)", page)
    assert not re.search(r"href=\"(?!data:|#|figures/)", page)
    assert page.count("data:image/png;base64,") == len(drawn)
    assert "made_up/report/report.html" in write_index(store).read_text()


def test_mixed_execution_classes_are_said(tmp_path: Path) -> None:
    from fabricated import write_run

    store = small(tmp_path)
    run = planned_run("small_cnn", "arcface", 0.1, 0, protocols=PROTOCOLS)
    assert "execution classes are mixed" not in " ".join(build_table(report_data(store, "made_up")).notes)
    write_run(store, run, execution_class={"device": "cuda", "torch": "2.14"})
    assert "2 execution classes are mixed" in " ".join(build_table(report_data(store, "made_up")).notes)


def test_nothing_finished_still_reports(tmp_path: Path) -> None:
    everything = [("small_cnn", "arcface", strength, seed) for strength in (0.0, 0.1) for seed in (0, 1, 2)]
    paths = write_report(small(tmp_path, missing=everything), "made_up")
    assert "0 (3 missing)" in paths.text
    assert "Nothing to draw yet" in paths.page.read_text()


def test_a_form_of_the_term_is_drawn_from_its_baseline(tmp_path: Path) -> None:
    from bench.report.figures._plot import panels

    store = small(tmp_path, seeds=(0,))
    plan = store.plan("made_up")
    plan["axes"] = [*plan["axes"], "enhancement.gate"]
    for run in plan["runs"]:
        run["axes"]["enhancement.gate"] = "none" if run["config"]["enhancement"] is None else "posterior"
    store.write_plan("made_up", plan)
    found = dict(panels(report_data(store, "made_up")))
    assert sorted(found["arcface\ngate posterior"]["strength"]) == [0.0, 0.1]


def test_a_backbone_looks_alike_in_every_panel(tmp_path: Path) -> None:
    gone = [("small_cnn", "arcface", strength, 0) for strength in (0.0, 0.1)]
    store = small(
        tmp_path, backbones=("small_cnn", "iresnet"), margins=("normface", "arcface"), seeds=(0,), missing=gone
    )
    figure = FIGURES.get("accuracy_against_strength").function(report_data(store, "made_up")).figure
    looks = {
        (line.get_color(), line.get_marker(), line.get_linestyle())
        for ax in figure.axes
        for line in ax.get_lines()
        if line.get_label() == "iresnet"
    }
    assert len(looks) == 1


def test_an_unknown_suite_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no suite called 'nope'"):
        write_report(Store(tmp_path), "nope")
