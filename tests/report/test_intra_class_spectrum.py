"""Spectra in the report: means over seeds of what evaluations kept, and what is said of those that kept none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fabricated import fabricate

from bench.catalog import FIGURES
from bench.report.figures._plot import style
from bench.report.results import report_data
from bench.store import Store

SMALL = {"backbones": ("small_cnn",), "margins": ("arcface", "cosface"), "strengths": (0.0, 0.1), "protocols": ("lfw",)}
D = 20


def with_spectra(store: Store, skip: int = 0) -> dict[str, np.ndarray]:
    """Adds spectra to all but the first evaluations; run → spectrum."""
    found = {}
    for run in store.plan("made_up")["runs"][skip:]:
        rng = np.random.default_rng(int(run["run"][:6], 16))
        shares = np.sort(rng.random(D).astype(np.float32))[::-1]
        arrays = {"spectrum": shares / shares.sum(), "spectrum_null": np.full(D, 1 / D, np.float32)}
        key = run["evaluations"]["lfw"]
        record = store.evaluation(run["run"], key)
        kept = store.evaluation_arrays(run["run"], key)
        told = {name: record[name] for name in ("protocol", "run", "metrics", "angles", "facts")}
        store.write_evaluation(
            run["run"], key, told, {**kept, **{k: np.ascontiguousarray(v) for k, v in arrays.items()}}
        )
        found[run["run"]] = arrays["spectrum"]
    return found


def test_shares_are_means_over_seeds(tmp_path: Path) -> None:
    store = fabricate(tmp_path, **SMALL)
    kept = with_spectra(store)
    data = report_data(store, "made_up")
    with style():
        drawing = FIGURES.get("intra_class_spectrum").function(data)
        drawing.figure.draw_without_rendering()
    table = drawing.data
    for margin in SMALL["margins"]:
        for strength in SMALL["strengths"]:
            runs = data.done[(data.done["margin"] == margin) & (data.done["strength"] == strength)]["run"]
            expected = sum(kept[run].astype(float) for run in runs) / len(runs)
            shown = table[(table["panel"] == margin) & (table["strength"] == strength)]
            assert shown["share"].to_numpy() == pytest.approx(expected[shown["number"] - 1])
            assert set(shown["seeds"]) == {2}
    assert set(table[table["kind"] == "isotropic"]["share"]) == {1 / D}


def test_runs_without_are_counted_and_without_any_there_is_no_figure(tmp_path: Path) -> None:
    store = fabricate(tmp_path, **SMALL)
    assert FIGURES.get("intra_class_spectrum").function(report_data(store, "made_up")) is None
    with_spectra(store, skip=1)
    with style():
        drawing = FIGURES.get("intra_class_spectrum").function(report_data(store, "made_up"))
    assert "without 1 runs evaluated before spectra were kept" in drawing.figure.legends[0].get_title().get_text()
