"""Toy networks: the same on every call, trained once and only when asked, and drawn as they are kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fabricated import fabricate

from bench.catalog import FIGURES, MARGINS
from bench.report import toy
from bench.report.figures._plot import style
from bench.report.results import report_data
from bench.report.write import write_report
from bench.store import Store

SMALL = {
    "backbones": ("small_cnn",), "margins": ("arcface",), "strengths": (0.0, 0.01, 0.3), "protocols": ("lfw",),
    "seeds": (0,), "epochs": 1,
}  # fmt: skip
TERM = {"gate": {"name": "posterior"}, "profile": {"name": "matched"}, "strength": 0.3}
FULL = {"name": "arcface", **MARGINS.get("arcface").defaults, "s": 32.0, "m": 0.2}


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toy, "STEPS", 25)


@pytest.mark.parametrize("dimension", toy.DIMENSIONS)
def test_the_same_toy_learns_the_same(dimension: int) -> None:
    one = toy.train(toy.Toy("a", FULL, TERM, dimension))
    assert one == toy.train(toy.Toy("b", FULL, TERM, dimension))
    assert np.shape(one["embeddings"]) == (toy.IDENTITIES * toy.SHOWN, dimension)
    assert np.linalg.norm(one["centres"], axis=1) == pytest.approx(np.ones(toy.IDENTITIES), abs=1e-4)
    assert one != toy.train(toy.Toy("a", FULL, None, dimension))
    assert toy.shape_of(one)["nearest"] > 2 / toy.IDENTITIES


def test_a_gate_that_needs_more_dimensions_is_told() -> None:
    spectral = {**TERM, "gate": {"name": "spectral"}}
    assert "3 or more dimensions" in toy.train(toy.Toy("a", FULL, spectral, 2))["why"]


def test_toys_are_trained_when_asked_once_and_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = fabricate(tmp_path, **SMALL)
    names = ("toy_embedding_2d", "toy_embedding_3d")
    write_report(store, "made_up")
    assert not (tmp_path / "toys").exists()
    assert all(FIGURES.get(name).function(report_data(store, "made_up")) is None for name in names)
    told = []
    toy.train_toys(store, store.plan("made_up"), lambda done, count: told.append((done, count)))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    monkeypatch.setattr(toy, "train", lambda toy: pytest.fail("it is kept"))
    toy.train_toys(store, store.plan("made_up"))
    folder = write_report(store, "made_up").folder / "figures"
    for name, axes in zip(names, ("xy", "xyz"), strict=True):
        assert (folder / f"{name}.png").is_file()
        with style():
            drawing = FIGURES.get(name).function(report_data(store, "made_up"))
            drawing.figure.draw_without_rendering()
        shown = drawing.data[(drawing.data["kind"] == "sample") & (drawing.data["strength"] == 0.3)]
        (kept,) = (t for t in toy.planned_toys(store.plan("made_up")) if t.strength == 0.3 and t.dimension == len(axes))
        assert shown[list(axes)].to_numpy() == pytest.approx(np.array(store.toy(kept.key)["embeddings"]))


def test_what_is_not_installed_is_passed_over(tmp_path: Path) -> None:
    store = fabricate(tmp_path, **{**SMALL, "margins": ("somebody_elses",)})
    toy.train_toys(store, store.plan("made_up"))
    assert toy.kept_toys(store, store.plan("made_up")) == []


def test_shape_against_a_slow_computation() -> None:
    rng = np.random.default_rng(0)
    centres = np.eye(3)
    rows = np.concatenate([c + rng.standard_normal((50, 3)) * (0.3, 0.1, 0.05) for c in centres])
    labels = np.repeat([0, 1, 2], 50)
    shape = toy.shape_of({"embeddings": rows, "labels": labels})
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    angles, ratios = [], []
    for who in range(3):
        own = unit[labels == who]
        mean = own.sum(axis=0) / np.linalg.norm(own.sum(axis=0))
        angles += [np.degrees(np.arccos(row @ mean)) for row in own]
        across = own - np.outer(own @ mean, mean)
        low, high = sorted(np.linalg.svd(across - across.mean(axis=0))[1][:2] ** 2)
        ratios.append(low / high)
    assert shape["compactness_deg"] == pytest.approx(np.mean(angles))
    assert shape["ratio"] == pytest.approx(np.mean(ratios))
    assert shape["nearest"] == 1
    assert 0.6 < shape["ratio_null"] < 0.8
    assert "ratio" not in toy.shape_of({"embeddings": rows[:, :2] + 1e-9, "labels": labels})


def test_a_broken_record_is_trained_again(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write_toy("k", {"why": None})
    assert store.toy("k")["why"] is None
    (tmp_path / "toys" / "k.json").write_text("{")
    assert store.toy("k") is None
