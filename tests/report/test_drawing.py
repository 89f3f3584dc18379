"""Figures are drawn again only where what they show has changed; what goes wrong in one is told and ends nothing."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from multiprocessing import active_children
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

import psutil
import pytest
from fabricated import fabricate

from bench.catalog import FIGURES, Registry
from bench.report import drawing, drawing_keys, drawing_processes
from bench.report.drawing import Drawn, drawing_figures
from bench.report.drawing_processes import in_processes
from bench.report.figures._plot import Drawing
from bench.report.results import ReportData, report_data
from bench.report.write import write_report
from bench.store import Store

CALLS: list[str] = []


def plot(name: str, data: ReportData, column: str) -> Drawing:
    from matplotlib.figure import Figure

    CALLS.append(name)
    figure = Figure(figsize=(1, 1))
    figure.subplots().plot(data.done[column])
    return Drawing(figure, data.done[["cell", column]])


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """Three of them: of the accuracy, of the isotropy and the epochs, and one with nothing to draw."""
    registry = Registry("figure", "bench.report.margin_pages", "")
    about: dict[str, Any] = {"source": "this test"}
    registry.register("a", summary="first", reads=("*.accuracy",), **about)(lambda d: plot("a", d, "lfw.accuracy"))
    registry.register("b", summary="second", reads=("*.isotropy", "events"), **about)(
        lambda d: plot("b", d, "lfw.isotropy")
    )
    registry.register("c", summary="nothing", **about)(lambda d: CALLS.append("c"))
    monkeypatch.setattr(drawing, "FIGURES", registry)
    monkeypatch.setattr(drawing, "PNG_DPI", 40)
    CALLS.clear()
    yield registry
    drawing_keys.code_of.cache_clear()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return fabricate(tmp_path, backbones=("small_cnn",), margins=("arcface",), seeds=(0,), protocols=("lfw",), epochs=1)


def draw(store: Store, **settings: Any) -> tuple[Drawn, list[str]]:
    """What was drawn, and which were not taken from what was there."""
    CALLS.clear()
    folder = store.suite_folder("made_up") / "figures"
    with drawing_figures(report_data(store, "made_up"), folder, **settings) as finished:
        return finished(), list(CALLS)


def test_a_figure_is_png_pdf_and_csv_in_order_of_the_registry(store: Store, figures: Registry) -> None:
    found, calls = draw(store)
    assert calls == ["b", "c", "a"]  # those that read stored files begin
    assert [(f.name, f.summary) for f in found.figures] == [("a", "first"), ("b", "second")]
    assert found.figures[0].csv.decode().startswith("cell,lfw.accuracy\n")
    folder = store.suite_folder("made_up") / "figures"
    for figure in found.figures:
        for ending in ("png", "pdf", "csv"):
            assert (folder / f"{figure.name}.{ending}").read_bytes() == getattr(figure, ending)
    assert draw(store) == (found, [])


def test_each_is_drawn_again_only_where_what_it_reads_has_changed(store: Store, figures: Registry) -> None:
    first, _ = draw(store)
    run = store.plan("made_up")["runs"][0]
    store.append_event(run["run"], {"kind": "epoch", "epoch": 2})
    assert draw(store)[1] == ["b", "c"]
    evaluation = run["evaluations"]["lfw"]
    record, arrays = store.evaluation(run["run"], evaluation), store.evaluation_arrays(run["run"], evaluation)
    store.write_evaluation(
        run["run"], evaluation, {**record, "metrics": {**record["metrics"], "accuracy": 0.5}}, arrays
    )  # fmt: skip
    again, calls = draw(store)
    assert calls == ["c", "a"]
    assert again.figures[0].png != first.figures[0].png
    assert again.figures[1] == first.figures[1]
    plan = store.plan("made_up")
    store.write_plan("made_up", {**plan, "command": "another", "warnings": ["new"]})
    assert draw(store)[1] == []
    store.write_plan("made_up", {**plan, "axes": ["margin"]})
    assert draw(store)[1] == ["b", "c", "a"]


def test_a_stamp_is_in_the_files_and_another_one_draws_again(store: Store, figures: Registry) -> None:
    found, calls = draw(store, stamp={"commit": "c0ffee"})
    assert b"c0ffee" in found.figures[0].png
    assert b"c0ffee" in found.figures[0].pdf
    assert draw(store, stamp={"commit": "c0ffee"}) == (found, [])
    assert draw(store, stamp={"commit": "beef"})[1] == calls


def test_what_was_changed_is_drawn_again_and_what_is_stale_removed(store: Store, figures: Registry) -> None:
    found, _ = draw(store)
    folder = store.suite_folder("made_up") / "figures"
    (folder / "a.csv").write_text("edited")
    (folder / "gone.png").write_bytes(b"old")
    assert draw(store) == (found, ["a"])
    assert not (folder / "gone.png").exists()
    (folder / "b.pdf").unlink()
    assert draw(store) == (found, ["b"])
    (folder / "drawn.json").write_text(json.dumps({"figures": []}))
    assert draw(store) == (found, ["b", "c", "a"])


def test_a_figure_that_raises_is_told_and_tried_again(store: Store, figures: Registry) -> None:
    def broken(data: ReportData) -> Drawing:
        CALLS.append("broken")
        raise ValueError("of <i>this</i>\nkind")

    figures.register("broken", summary="broken", source="this test")(broken)
    found, _ = draw(store)
    assert [figure.name for figure in found.figures] == ["a", "b"]
    assert found.warnings == ["figure broken could not be drawn: ValueError: of <i>this</i> kind"]
    assert draw(store) == (found, ["broken"])
    paths = write_report(store, "made_up")
    assert paths.warnings == tuple(found.warnings)
    assert "could not be drawn: ValueError: of &lt;i&gt;this&lt;/i&gt; kind" in paths.page.read_text()


def test_a_change_of_what_a_figure_imports_is_a_change_of_the_figure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plugin").mkdir()
    files = {"__init__": "", "helper": "X = 1", "other": "", "typing_only": "", "figure": """\
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from plugin import typing_only
def draw(results):
    from .helper import X
"""}  # fmt: skip
    for name, source in files.items():
        (tmp_path / "plugin" / f"{name}.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    import plugin.figure  # noqa: F401

    def changed(name: str) -> bool:
        drawing_keys.code_of.cache_clear()
        before = drawing_keys.code_of("plugin.figure")
        with (tmp_path / "plugin" / f"{name}.py").open("a") as file:
            file.write("\nY = 2\n")
        drawing_keys.code_of.cache_clear()
        return drawing_keys.code_of("plugin.figure") != before

    assert [name for name in files if changed(name)] == ["helper", "figure"]
    codes = {drawing_keys.code_of(spec.module) for spec in FIGURES}
    assert len(codes) == len(FIGURES.names())


def length_or_death(name: str, by: int) -> int:
    if name == "dies":
        os._exit(3)
    if name == "lasts":
        time.sleep(600)
    return len(name) * by


def test_a_process_that_dies_takes_only_its_figure_with_it() -> None:
    with in_processes(dict) as begin:
        results = begin(2, length_or_death, ["a", "dies", "ccc", "dd"], 2)
        assert results() == {"a": 2, "dies": "its process died (exit code 3)", "ccc": 6, "dd": 4}


def test_no_process_outlives_the_caller_that_gives_up() -> None:
    begun: list[psutil.Process] = []

    def given_up() -> None:
        with in_processes(dict) as begin:
            begin(2, length_or_death, ["lasts", "lasts", "a"], 2)
            (foreman,) = active_children()
            while len(begun) < 3:
                begun[:] = [psutil.Process(foreman.pid), *psutil.Process(foreman.pid).children()]
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        given_up()
    assert psutil.wait_procs(begun, timeout=20)[1] == []
    assert active_children() == []


def test_what_no_process_could_be_started_for_is_left_to_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(process: SpawnProcess) -> None:
        raise BlockingIOError("no more processes")

    monkeypatch.setattr(SpawnProcess, "start", none_left)
    with in_processes(dict) as begin:
        assert begin(2, length_or_death, ["a", "bb"], 2)() == {}
    monkeypatch.undo()
    monkeypatch.setattr(drawing_processes, "CAN_FORK", False)
    with in_processes(dict) as begin:
        assert begin(2, length_or_death, ["a", "bb"], 2)() == {}


def test_processes_draw_the_same_files(store: Store) -> None:
    data = report_data(store, "made_up")
    names = ("accuracy_against_strength", "training_curves", "pull_over_angle")
    alone = {name: drawing.draw_one(name, data, {}) for name in names}
    with in_processes(drawing.warm) as begin:
        assert begin(2, drawing.draw_one, names, data, {})() == alone


def test_a_process_that_got_ready_for_nothing_is_ended() -> None:
    with in_processes(dict):
        (foreman,) = active_children()
    assert not foreman.is_alive()
