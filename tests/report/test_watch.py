"""Watching: a report is written when something changed, says that it trains, and ends as any other report."""

from __future__ import annotations

from pathlib import Path

import pytest
from fabricated import PROTOCOLS, fabricate, planned_run, write_run
from typer.testing import CliRunner

from bench.cli.main import app
from bench.errors import StoreError
from bench.report import watch as module
from bench.report.watch import POLL_SECONDS, REFRESH_SECONDS, Update, watch
from bench.report.write import write_report
from bench.store import Store

KEYS = [("small_cnn", "arcface", strength, 0) for strength in (0.0, 0.1)]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return fabricate(tmp_path, backbones=("small_cnn",), margins=("arcface",), strengths=(0.0, 0.1), seeds=(0,),
                     missing=KEYS, epochs=2)  # fmt: skip


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[int | None]:
    """The ``refresh`` of every report; nothing is drawn, which takes long."""
    found: list[int | None] = []

    def quick(store: Store, name: str, *, refresh: int | None = None) -> str:
        found.append(refresh)
        return name

    monkeypatch.setattr(module, "write_report", quick)
    return found


def finish(store: Store, key: tuple[str, str, float, int]) -> None:
    write_run(store, planned_run(*key, protocols=PROTOCOLS))


def fail(store: Store, key: tuple[str, str, float, int]) -> None:
    store.write_failure(planned_run(*key, protocols=PROTOCOLS)["run"], {"error": "broke"})


def test_it_writes_when_something_changed_and_ends_with_the_last_run(store: Store, written: list[int | None]) -> None:
    told: list[Update] = []
    waits: list[float] = []

    def pause(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:  # nothing happened in the first pause
            finish(store, KEYS[0])
        if len(waits) == 4:
            fail(store, KEYS[1])
        assert len(waits) < 9

    watch(store, ["made_up"], told.append, pause)
    assert [(update.counts["done"], update.counts["failed"], update.ended) for update in told] == [
        (0, 0, False), (1, 0, False), (1, 1, True),
    ]  # fmt: skip
    assert written == [REFRESH_SECONDS, REFRESH_SECONDS, None]
    assert len(waits) == 4
    assert min(waits) >= POLL_SECONDS


def test_a_page_that_is_watched_no_more_does_not_say_so(store: Store, written: list[int | None]) -> None:
    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        watch(store, ["made_up"], lambda _: None, interrupted)
    assert written == [REFRESH_SECONDS, None]


def test_an_unknown_suite_is_refused_at_once(store: Store) -> None:
    with pytest.raises(StoreError, match="no suite called 'mad_up' has run here; did you mean 'made_up'"):
        watch(store, ["mad_up"], lambda _: None)


def test_the_last_page_is_that_of_an_ordinary_report(store: Store) -> None:
    """All failed, so nothing is drawn, which takes long."""
    for key in KEYS:
        fail(store, key)
    told: list[Update] = []
    watch(store, ["made_up"], told.append)
    page = told[0].paths.page
    watched = page.read_bytes()
    write_report(store, "made_up")
    assert page.read_bytes() == watched
    assert b"still training" not in watched


def test_the_command_prints_a_line_an_update_and_leaves_at_ctrl_c(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(watch, "__defaults__", (interrupted,))
    asked = ["report", "made_up", "--watch", "--results", str(store.root)]
    stopped = CliRunner().invoke(app, asked)
    page = store.suite_folder("made_up") / "report" / "report.html"
    assert stopped.exit_code == 130
    assert f"made_up: 0 of 2 runs done, 2 missing; report: {page}" in stopped.stdout
    assert "still training" not in page.read_text()
    for key in KEYS:
        fail(store, key)
    ended = CliRunner().invoke(app, asked)
    assert ended.exit_code == 0
    assert f"made_up: 0 of 2 runs done, 2 failed; report: {page}" in ended.stdout
    assert "A made-up ablation" in ended.stdout
