"""The pull in the report: that of the loss itself, and a reason where a loss is not installed."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from fabricated import fabricate
from torch.nn import functional as F

from bench.catalog import FIGURES
from bench.report.figures._plot import style
from bench.report.losses import planned_losses
from bench.report.margin_pages.situation import CLASSES, DIMENSION, NORM, prepared
from bench.report.results import report_data

SMALL = {"backbones": ("small_cnn",), "strengths": (0.0, 0.3), "protocols": ("lfw",), "seeds": (0,), "epochs": 1}


def drawn(root: Path, margins: tuple[str, ...]):
    store = fabricate(root, **SMALL, margins=margins)
    plan = store.plan("made_up")
    for run in plan["runs"]:
        if run["config"]["margin"]["name"] == "normface":
            del run["config"]["margin"]["margin_gradient"]  # which it has none of
    store.write_plan("made_up", plan)
    with style():
        drawing = FIGURES.get("pull_over_angle").function(report_data(store, "made_up"))
        if drawing is not None:
            drawing.figure.draw_without_rendering()
    return drawing


def test_the_pull_is_the_derivative_of_the_loss(tmp_path: Path) -> None:
    """Of one sample at 31° from its centre, the negatives' cosines held: s·(1 − p + λ·p)·sin θ without a margin."""
    table = drawn(tmp_path, ("normface",)).data
    head = prepared({"name": "normface", "s": 32.0}, None)
    theta, generator = math.radians(31), torch.Generator().manual_seed(14)
    noise = torch.randn(200 * 90, DIMENSION, generator=generator, dtype=torch.float64)
    own = head.centres[0].detach()
    across = F.normalize(noise - (noise @ own)[:, None] * own, dim=1)
    x = NORM * (math.cos(theta) * own + math.sin(theta) * across)
    logits = 32 * (F.normalize(x) @ F.normalize(head.centres.detach()).T)
    assert logits.shape == (18000, CLASSES)
    p = logits.softmax(dim=1)[:, 0]
    for strength in (0.0, 0.3):
        expected = (32 * (1 - p + strength * p) * math.sin(theta)).mean()
        row = table[(table["strength"] == strength) & (table["angle_deg"] == 31)].iloc[0]
        assert row["pull"] == pytest.approx(float(expected), rel=0.15)
        assert row["low"] <= row["pull"] <= row["high"]


def test_what_is_not_installed_is_said(tmp_path: Path) -> None:
    drawing = drawn(tmp_path / "both", ("arcface", "$some$"))
    assert set(drawing.data["panel"]) == {"arcface"}
    said = drawing.figure.legends[0].get_title().get_text()
    assert "not drawn: $some$ (margin '$some$' is not installed here)" in said
    assert drawn(tmp_path / "none", ("somebody_elses",)) is None


def test_each_form_of_a_loss_is_one(tmp_path: Path) -> None:
    plan = fabricate(tmp_path, **{**SMALL, "strengths": (0.0, 0.1, 0.3)}, margins=("arcface", "cosface")).plan(
        "made_up"
    )
    assert [(loss.title, loss.strengths) for loss in planned_losses(plan)] == [
        ("arcface", (0.0, 0.1, 0.3)),
        ("cosface", (0.0, 0.1, 0.3)),
    ]
    for run in plan["runs"]:
        if run["config"]["enhancement"] and run["config"]["enhancement"]["strength"] == 0.3:
            run["config"]["enhancement"]["gate"] = {"name": "uniform"}
            run["axes"]["enhancement.gate"] = "uniform"
    plan["runs"] = [run for run in plan["runs"] if run["config"]["margin"]["name"] == "arcface"]
    assert [(loss.title, loss.strengths) for loss in planned_losses(plan)] == [
        ("arcface", (0.0, 0.1)),
        ("arcface\ngate uniform", (0.0, 0.3)),
    ]
    assert [loss.strengths for loss in planned_losses({"runs": plan["runs"][:1]})] == [(0.0,)]
    assert np.isfinite(plan["runs"][0]["seed"])
