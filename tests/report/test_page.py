"""The page without a browser: what it holds, how it is escaped, and that a large suite stays quick and small."""

from __future__ import annotations

import base64
import json
import re
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from fabricated import fabricate, planned_run
from pages import page_of

from bench.report.page import EMBEDDED, link, render_index, script_json
from bench.report.results import report_data
from bench.report.run_records import LOG_LINES, LOG_WIDTH, POINTS, curves, run_records
from bench.report.write import write_index
from bench.store import Store
from tests.made_up_store import finish_runs

SMALL = {"backbones": ("small_cnn",), "margins": ("arcface",), "strengths": (0.0, 0.1), "seeds": (0, 1), "epochs": 2}
HOSTILE = "<script>alert(1)</script>"


def small(root: Path, **change: object) -> Store:
    return fabricate(root, **{**SMALL, **change})


def records_in(page: str) -> dict[str, Any]:
    return json.loads(re.search(r'<script type="application/json" id="run-records">(.*?)</script>', page, re.S)[1])


def test_equal_results_give_an_equal_page(tmp_path: Path) -> None:
    assert page_of(small(tmp_path / "a")) == page_of(small(tmp_path / "b"))


def test_the_policy_allows_the_pages_own_style_and_script_and_nothing_else(tmp_path: Path) -> None:
    import hashlib

    page = page_of(small(tmp_path))
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)[1]
    for tag, what in (("style", "style-src"), ("script", "script-src")):
        content = re.search(rf"<{tag}>(.*?)</{tag}>", page, re.S)[1]
        assert f"{what} 'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert " style=" not in page


def test_headings_go_down_by_one_and_every_section_is_in_the_contents(tmp_path: Path) -> None:
    page = page_of(small(tmp_path, failed={("small_cnn", "arcface", 0.1, 1): "gone"}))
    levels = [int(level) for level in re.findall(r"<h(\d)", page.partition("<script")[0])]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    sections = re.findall(r'<section id="([^"]+)"', page)
    assert sections == ["summary", "results", "figures", "runs", "unfinished", "provenance", "reproduce", "downloads"]
    assert re.findall(r'<li><a href="#([^"]+)"', page) == sections


def test_parts_of_others_are_placed_and_left_out_where_there_are_none(tmp_path: Path) -> None:
    from markupsafe import Markup

    page = page_of(small(tmp_path), published=Markup("<p>of a paper</p>"), search=None)
    order = re.findall(r'<section id="([^"]+)"', page)
    assert order[1:4] == ["results", "published", "figures"]
    assert "<p>of a paper</p>" in page
    assert "unfinished" not in order


def test_names_are_text_wherever_they_come_from(tmp_path: Path) -> None:
    store = small(tmp_path, margins=("arcface", HOSTILE), failed={("small_cnn", "arcface", 0.1, 1): HOSTILE},
                  plan={"title": HOSTILE, "warnings": [HOSTILE], "command": HOSTILE})  # fmt: skip
    store.log_path(report_data(store, "made_up").frame["run"][0]).write_text(f"{HOSTILE}\n")
    page = page_of(store)
    assert HOSTILE not in page
    assert "&lt;script&gt;alert(1)" in page
    first = next(iter(records_in(page)["runs"].values()))
    assert first["log"] == HOSTILE
    assert HOSTILE not in render_index([{"name": "a", "title": HOSTILE, "reported": True, "planned": 1, "done": 1,
                                         "failed": 0, "cancelled": 0, "missing": 0}])  # fmt: skip


def test_nothing_ends_the_script_that_holds_the_records() -> None:
    value = {"</script><b>": "<!-- & \u2028"}
    text = script_json(value)
    assert not set(text) & set("<>&\u2028")
    assert json.loads(text) == value


def test_a_page_loads_itself_again_only_while_it_is_watched(tmp_path: Path) -> None:
    store = small(tmp_path)
    watched = page_of(store, refresh=7)
    assert '<meta http-equiv="refresh" content="7">' in watched
    assert "still training" in watched
    other = page_of(store)
    assert 'http-equiv="refresh"' not in other
    assert "data-refresh=" not in other
    assert "still training" not in other


def test_a_run_holds_configuration_curves_tests_and_log(tmp_path: Path) -> None:
    store = small(tmp_path, epochs=3)
    data = report_data(store, "made_up")
    key = data.frame["run"][2]
    store.append_event(key, {"kind": "warning", "text": "the disk\nis slow"})
    log = [f"line {i} " + "x" * (2 * LOG_WIDTH) for i in range(3 * LOG_LINES)]
    store.log_path(key).write_text("\n".join(log) + "\n\x1b[31mred")
    records = run_records(data)
    run = records["runs"][key]
    config = dict(zip(records["fields"], run["config"], strict=True))
    assert records["values"][config["enhancement.gate.name"]] == "posterior"
    assert records["values"][config["enhancement.strength"]] == "0.1"
    assert run["curves"]["epoch"] == [1, 2, 3]
    assert run["curves"]["lr"] == [0.1, 0.1, 0.1]
    assert run["curves"]["validation.accuracy"][-1] == pytest.approx(100 * (0.92 - 0.2 / 3), abs=0.01)
    assert run["events"] == ["epoch × 3, warning", "warning: the disk is slow"]
    lines = run["log"].split("\n")
    assert len(lines) == LOG_LINES
    assert lines[-1] == "\\x1b[31mred"
    assert max(map(len, lines)) == LOG_WIDTH
    assert list(run["tests"]) == ["LFW", "YTF", "CFP-FP", "training"]
    at = records["metrics"].index(["accuracy", "%"])
    assert run["tests"]["LFW"][at] == [pytest.approx(92.0, abs=0.5)]
    assert json.loads(records["environments"][run["environment"]])["commit"] == "c0ffee"
    assert len(records["environments"]) == 1
    base = records["runs"][data.frame["run"][0]]
    assert base["config"][records["fields"].index("enhancement.strength")] == -1


def test_a_failed_run_says_where(tmp_path: Path) -> None:
    store = small(tmp_path)
    run = report_data(store, "made_up").frame["run"][0]
    (store.run_folder(run) / "result.json").unlink()
    store.write_failure(run, {"error": "loss is NaN", "traceback": "a\nb", "step": 3})
    found = run_records(report_data(store, "made_up"))["runs"][run]
    assert (found["status"], found["error"], found["traceback"]) == ("failed", "loss is NaN", "a\nb")
    assert "environment" not in found


def test_a_long_curve_is_thinned_to_its_last_epoch() -> None:
    events = [{"kind": "epoch", "epoch": e, "loss": float(e), "validation": None} for e in range(1, 1002)]
    found = curves([*events, {"kind": "epoch", "epoch": 1001, "loss": 7.0}, {"kind": "done"}])
    assert len(found["epoch"]) <= POINTS
    assert (found["epoch"][0], found["epoch"][-1], found["loss"][-1]) == (1, 1001, 7)
    assert set(found) == {"epoch", "loss"}
    assert curves([]) == {}


def test_a_large_file_is_linked_and_a_small_one_is_held() -> None:
    assert link("a.csv", b"1,2") == "data:text/csv;base64,MSwy"
    assert link('figures/"a".csv', bytes(EMBEDDED + 1)) == "figures/&#34;a&#34;.csv"


def test_the_index_links_what_is_reported_and_sorts(tmp_path: Path) -> None:
    text = write_index(small(tmp_path)).read_text()
    assert "made_up (no report yet)" in text
    assert '<table class="sortable">' in text
    assert 'data-value="4"' in text


def test_a_run_costs_the_page_little(tmp_path: Path) -> None:
    store = Store(tmp_path)
    runs = [planned_run("small_cnn", "arcface", strength / 100, seed, protocols=("lfw", "ytf", "cfp_fp"))
            for strength in range(10) for seed in range(10)]  # fmt: skip
    finish_runs(store, runs, epochs=30)
    fabricate(tmp_path / "other", **{**SMALL, "seeds": (0,)})
    plan = {**Store(tmp_path / "other").plan("made_up"), "runs": runs}
    store.write_plan("made_up", plan)
    data = report_data(store, "made_up")
    begun = time.process_time()
    records = script_json(run_records(data))
    assert time.process_time() - begun < 2  # 500 such runs: 2 seconds, and 2.6 MB with 100 epochs each
    assert len(records) < 100 * 6_000
    assert len(json.loads(records)["runs"]) == 100


def test_a_run_without_an_axis_has_no_label_there(tmp_path: Path) -> None:
    """As where a suite has two grids; an axis may also be the seed, which is a column of its own too."""
    store = small(tmp_path)
    plan = store.plan("made_up")
    plan["axes"] = [*plan["axes"], "recipe.epochs", "seed"]
    for run in plan["runs"][1:]:
        run["axes"] = {**run["axes"], "recipe.epochs": "8", "seed": str(run["seed"])}
    store.write_plan("made_up", plan)
    page = page_of(store)
    row = re.search(rf'<tr id="run-{plan["runs"][0]["run"]}">.*', page)[0]
    assert '<td class="number" data-value="">–</td>' in row
    assert '<td class="number" data-value="8">8</td>' in page
