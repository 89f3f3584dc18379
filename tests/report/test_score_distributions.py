"""Score distributions: densities and thresholds against plain loops over the stored scores."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fabricated import fabricate

from bench.catalog import FIGURES
from bench.report.figures._plot import style
from bench.report.figures.score_distributions import BINS
from bench.report.results import report_data
from bench.store import Store

SMALL = {"backbones": ("small_cnn",), "margins": ("arcface",), "strengths": (0.0, 0.01, 0.1), "protocols": ("lfw",)}


def drawn(store: Store):
    with style():
        drawing = FIGURES.get("score_distributions").function(report_data(store, "made_up"))
        if drawing is not None:
            drawing.figure.draw_without_rendering()
    return drawing


def strictest(genuine: list[float], impostor: list[float], far: float) -> float:
    """The strictest threshold among the genuine scores with the most genuine pairs let through."""
    allowed = int(len(impostor) * far + 1e-9)
    passing = [g for g in sorted(genuine) if sum(i >= g for i in impostor) <= allowed]
    return passing[0]


def test_thresholds_and_densities_are_those_of_the_scores(tmp_path: Path) -> None:
    store = fabricate(tmp_path, **SMALL)
    table = drawn(store).data
    assert set(table["strength"]) == {0.0, 0.1}
    edges = table[(table["kind"] == "genuine") & (table["strength"] == 0)][["from", "to"]].to_numpy()
    everything = []
    for strength in (0.0, 0.1):
        at, pooled = [], []
        for run in store.plan("made_up")["runs"]:
            if run["axes"]["enhancement.strength"] == f"{strength:g}":
                arrays = store.evaluation_arrays(run["run"], run["evaluations"]["lfw"])
                genuine = [float(s) for s, same in zip(arrays["scores"], arrays["same"], strict=True) if same]
                impostor = [float(s) for s, same in zip(arrays["scores"], arrays["same"], strict=True) if not same]
                at.append(strictest(genuine, impostor, 0.01))
                pooled += genuine
                everything += genuine + impostor
        part = table[table["strength"] == strength]
        told = part[part["of"] == "FAR 1e-2"]["from"].item()
        assert told == pytest.approx(sum(at) / len(at))
        assert not (part["of"] == "FAR 1e-3").any()  # 400 impostors
        density = part[part["kind"] == "genuine"]["density"].to_numpy()
        counted = [sum(low <= score < high for score in pooled) for low, high in edges]
        width = edges[0, 1] - edges[0, 0]
        assert density[:-1] == pytest.approx(np.array(counted[:-1]) / len(pooled) / width, abs=0.02)
        assert (density * width).sum() == pytest.approx(1)
    assert len(edges) == BINS
    assert (edges[0, 0], edges[-1, 1]) == pytest.approx((min(everything), max(everything)))


def test_a_run_without_pairs_of_both_kinds_has_no_distribution(tmp_path: Path) -> None:
    store = fabricate(tmp_path, **{**SMALL, "strengths": (0.0,)}, seeds=(0,))
    run = store.plan("made_up")["runs"][0]
    key = run["evaluations"]["lfw"]
    record = {"protocol": "lfw", "run": run["run"], "metrics": {}, "angles": None, "facts": {}}
    for arrays in (
        {"scores": np.zeros(0, np.float32), "same": np.zeros(0, np.uint8)},
        {"scores": np.ones(3, np.float32), "same": np.ones(3, np.uint8)},
    ):
        store.write_evaluation(run["run"], key, record, arrays)
        assert drawn(store) is None


def test_at_most_twelve_panels_are_read(tmp_path: Path) -> None:
    store = fabricate(tmp_path, **{**SMALL, "margins": ["$x$", *(f"m{i}" for i in range(13))]}, seeds=(0,))
    drawing = drawn(store)
    assert drawing.data["panel"].nunique() == 12
    assert "the first 12 of 14 panels" in drawing.figure.legends[0].get_title().get_text()
