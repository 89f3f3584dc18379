"""What every registered figure keeps to: whatever the suite, it draws or has nothing to draw, and tells its data."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fabricated import fabricate
from matplotlib.text import Text
from PIL import Image

from bench.catalog import FIGURES
from bench.report.drawing import files_of
from bench.report.drawing_keys import seen_by
from bench.report.effects import seed_interval
from bench.report.figures import _plot
from bench.report.figures._lines import means
from bench.report.results import ReportData, report_data
from bench.store import Store

NAMES = FIGURES.names()
HOSTILE = ("<script>alert(1)</script> $x_{", "100 % \\frac{$a$}^_" + "long" * 60)
BASE: dict[str, Any] = {
    "backbones": ("small_cnn",), "margins": ("arcface", "cosface"), "strengths": (0.0, 0.1), "seeds": (0, 1),
    "protocols": ("lfw",), "epochs": 2,
}  # fmt: skip
EVERY = [("small_cnn", m, s, seed) for m in BASE["margins"] for s in BASE["strengths"] for seed in BASE["seeds"]]
CASES: dict[str, dict[str, Any]] = {
    "usual": {"seeds": (0, 1, 2), "backbones": ("small_cnn", "iresnet")},
    "nothing done": {"missing": EVERY},
    "a single run": {"margins": ("arcface",), "strengths": (0.0,), "seeds": (0,)},
    "one seed": {"seeds": (0,)},
    "failed runs": {"failed": dict.fromkeys(EVERY[1:5], "loss is NaN")},
    "hostile names": {"margins": HOSTILE, "backbones": HOSTILE},
    "no enhancement": {"strengths": (0.0,), "margins": tuple(f"margin{i}" for i in range(10))},
    "100 strengths": {"strengths": (0.0, *np.geomspace(1e-4, 1, 99)), "seeds": (0,), "epochs": 1},
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], ReportData]:
    @cache
    def make(case: str) -> ReportData:
        store = fabricate(tmp_path_factory.mktemp("results"), **{**BASE, **CASES[case]})
        return report_data(store, "made_up")

    return make


def drawn(name: str, data: ReportData) -> _plot.Drawing | None:
    spec = FIGURES.get(name)
    with _plot.style():
        drawing: _plot.Drawing | None = spec.function(seen_by(spec, data))
    return drawing


def png(name: str, drawing: _plot.Drawing) -> bytes:
    with _plot.style():
        return files_of(FIGURES.get(name), drawing, {}, dpi=40)["png"]


@pytest.mark.parametrize("case", [case for case in CASES if case != "hostile names"])
@pytest.mark.parametrize("name", NAMES)
def test_it_draws_what_there_is_with_its_data(name: str, case: str, made: Callable[[str], ReportData]) -> None:
    drawing = drawn(name, made(case))
    if case == "nothing done":
        assert drawing is None
    if drawing is None:
        return
    assert isinstance(drawing, _plot.Drawing)
    assert len(drawing.data) > 0
    assert all(isinstance(column, str) and column for column in drawing.data.columns)
    numbers = drawing.data.select_dtypes("number").astype("float64")
    assert not np.isinf(numbers.to_numpy()).any()
    assert np.isfinite(numbers.to_numpy()).any(axis=1).all()
    assert drawing.figure.get_figwidth() <= _plot.PAGE_WIDTH
    assert drawing.figure.get_figheight() <= 11
    assert len(drawing.figure.axes) <= _plot.MOST_AXES + 5


@pytest.mark.parametrize("name", NAMES)
def test_names_stand_as_they_are_and_within_the_page(name: str, made: Callable[[str], ReportData]) -> None:
    drawing = drawn(name, made("hostile names"))
    if drawing is None:
        return
    assert png(name, drawing)
    texts = [text for text in drawing.figure.findobj(Text) if text.get_text() and text.get_visible()]
    assert not [text.get_text() for text in texts if "mathdefault" in text.get_text()]
    assert min(text.get_fontsize() for text in texts) >= 7
    with _plot.style():
        width = drawing.figure.bbox.width
        assert all(text.get_window_extent().width <= width for text in texts)


@pytest.mark.parametrize("name", NAMES)
def test_it_draws_the_same_bytes_again(name: str, made: Callable[[str], ReportData]) -> None:
    first, again = (drawn(name, made("usual")) for _ in range(2))
    if first is None or again is None:
        assert first is again
        return
    stamp = {"commit": "c0ffee", "note": "<λ>"}
    with _plot.style():
        files, same = (files_of(FIGURES.get(name), drawing, stamp, dpi=40) for drawing in (first, again))
    assert files == same
    assert Image.open(io.BytesIO(files["png"])).text == {"Title": name, **stamp}  # type: ignore[attr-defined]
    assert files["pdf"].startswith(b"%PDF")
    assert len(pd.read_csv(io.BytesIO(files["csv"]))) == len(first.data)


@pytest.mark.parametrize("name", NAMES)
def test_metrics_that_could_not_be_measured_are_left_out(name: str, made: Callable[[str], ReportData]) -> None:
    from dataclasses import replace

    data = made("usual")
    measured = [c for c in data.frame.columns if c.partition(".")[0] in ("lfw", "train")]
    nothing = drawn(name, replace(data, frame=data.frame.assign(**dict.fromkeys(measured, np.nan))))
    holes = data.frame.assign(**{c: data.frame[c].where(data.frame["seed"] == 0) for c in measured})
    some = drawn(name, replace(data, frame=holes))
    reads = FIGURES.get(name).traits.get("reads", ())
    if any("." in pattern for pattern in reads) and "evaluations" not in reads:  # which hold what was measured, too
        assert nothing is None
    if some is not None:
        assert not np.isinf(some.data.select_dtypes("number").astype("float64").to_numpy()).any()


def test_it_reads_no_stored_file_that_it_does_not_declare(
    made: Callable[[str], ReportData], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or it would not be drawn again when that changes."""
    data, seen = made("usual"), set[str]()
    kinds = {
        "events": "events", "epochs": "events", "evaluation": "evaluations", "evaluation_arrays": "evaluations",
        "result": "result",
    }  # fmt: skip
    for method, kind in kinds.items():
        plain = getattr(Store, method)
        monkeypatch.setattr(Store, method, lambda *a, plain=plain, kind=kind: (seen.add(kind), plain(*a))[1])
    for spec in FIGURES:
        seen.clear()
        drawn(spec.name, data)
        assert seen <= set(spec.traits.get("reads", seen)), spec.name


def test_colours_that_share_a_line_style_differ_in_grey() -> None:
    def lightness(colour: str) -> float:
        red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (red, green, blue)]
        luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
        return 116 * luminance ** (1 / 3) - 16 if luminance > 0.008856 else 903.3 * luminance

    values = [lightness(colour) for colour in _plot.COLOURS]
    styles = len(_plot.LINESTYLES)
    for i in range(len(values)):
        assert values[i] < 75, "too pale on white"
        for j in range(i + styles, len(values), styles):
            assert abs(values[i] - values[j]) >= 10
    scale = [sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), colour[:3], strict=True))
             for colour in _plot.strength_colours([0, 1, 2, 3, 4]).values()]  # fmt: skip
    assert all(b - a >= 0.08 for a, b in pairwise(scale))


def test_means_have_the_interval_of_the_effects() -> None:
    values = pd.DataFrame({"cell": ["a"] * 4 + ["b"], "value": [1.0, 2.0, 4.0, 4.5, 7.0]})
    found = means(values, ["cell"], "value").set_index("cell")
    expected = seed_interval(values["value"][:4].tolist())
    assert found.loc["a", ["low", "high"]].tolist() == pytest.approx(expected)
    assert found.loc["b", "mean"] == 7
    assert found.loc["b", ["low", "high"]].isna().all()
    assert found["seeds"].tolist() == [4, 1]


def test_a_curve_ends_at_one_impostor_and_one_genuine_pair(made: Callable[[str], ReportData]) -> None:
    for name, rate in (("roc", "tar"), ("det", "frr")):
        drawing = drawn(name, made("usual"))
        assert drawing is not None
        assert drawing.data["far"].min() == pytest.approx(1 / 400)
        assert (drawing.data["impostors"] == 400).all()
        assert drawing.data[rate].max() <= 1
    assert drawing.data["frr"].min() >= 1 / 400 - 1e-12


def test_of_many_strengths_a_few_are_shown_and_that_is_said(made: Callable[[str], ReportData]) -> None:
    drawing = drawn("roc", made("100 strengths"))
    assert drawing is not None
    assert drawing.data["strength"].nunique() == _plot.MOST_STRENGTHS
    assert {0.0, 1.0} <= set(drawing.data["strength"])
    assert "5 of 100 strengths shown" in " ".join(drawing.figure.legends[0].get_title().get_text().split())


def test_the_forest_is_of_the_effects_and_bounded(made: Callable[[str], ReportData]) -> None:
    from bench.report.effects import effects
    from bench.report.figures._dots import MOST_ROWS

    drawing = drawn("effect_forest", made("usual"))
    assert drawing is not None
    found = effects(made("usual"))
    assert drawing.data["effect"].tolist() == found["effect"].tolist()
    assert drawing.data["row"].nunique() == found["cell"].nunique()
    many = drawn("effect_forest", made("100 strengths"))
    assert many is not None
    assert many.data["row"].nunique() == MOST_ROWS
    assert "20 of 99 strengths shown" in " ".join(many.figure.get_supxlabel().split())
    assert many.data["margin"].value_counts().to_dict() == {"arcface": 20, "cosface": 20}
