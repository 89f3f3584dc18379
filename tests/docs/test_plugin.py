"""docs/plugin.md, worked through: it shows the example's files, and the example is listed, planned, trained, tested."""

import json
import re
import tomllib

import pytest

from bench.store import Store
from tests.third_party import EXAMPLE, ROOT, installed_example, python
from tests.tiny import SUITE, write_root

PAGE = (ROOT / "docs" / "plugin.md").read_text(encoding="utf-8")
RUNS = {("arcface", "0"), ("arcface", "0.1"), ("li_arcface", "0"), ("li_arcface", "0.1")}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Where the example is installed, beside a small data root and a suite on it."""
    folder = tmp_path_factory.mktemp("plugin")
    text = SUITE.replace("ROOT", str(write_root(folder / "root"))).replace("[lfw, ytf, cfp_fp]", "[lfw]")
    text = text.replace("margin: {name: normface, s: 16}\n", "").replace("epochs: 2", "epochs: 1")
    text = text.replace("gate: posterior", "gate: {name: beyond, limit: 0.5}")
    grid = "grid: {margin: [{name: arcface, s: 16}, {name: li_arcface, s: 16}], enhancement.strength: [0, 0.1]}"
    text = text.replace("slots: 2", "slots: 1").replace("[1e-1, 1e-3]", "[1e-1], bootstrap: 0, train_geometry: false")
    text = text.replace(", tar_at_far_1e-1", "")
    (folder / "tiny.yaml").write_text(text.replace("grid: {enhancement.strength: [0, 0.1]}", grid))
    return folder, installed_example(folder / "installed")


def bench(place, *words, installed=None):
    folder, example = place
    done = python(
        "-m", "bench", *words, path=(installed or example,), cwd=folder,
        BENCH_CACHE=str(folder / "cache"), COLUMNS="110",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def planned(place, installed=None):
    rows = json.loads(bench(place, "plan", "tiny.yaml", "--json", installed=installed))
    return {(re.split(r"\W", row["margin"])[0], row["enhancement.strength"]): row["run"] for row in rows}


@pytest.fixture(scope="module")
def ran(place):
    bench(place, "run", "tiny.yaml", "--no-track")
    runs = place[0] / "results" / "runs"
    return {
        key: {name: json.loads((runs / run / f"{name}.json").read_text()) for name in ("config", "result")}
        for key, run in planned(place).items()
    }


def test_the_page_shows_the_files_as_they_are():
    shown = dict(re.findall(r"^`plugin_example/([\w./]+)`:\n\n```\w+\n(.*?)```$", PAGE, re.DOTALL | re.MULTILINE))
    files = [p for p in EXAMPLE.rglob("*") if p.is_file() and "__pycache__" not in p.parts]
    named = {p.relative_to(EXAMPLE).as_posix(): p.read_text(encoding="utf-8") for p in files}
    assert shown == {name: text for name, text in named.items() if not name.endswith("__init__.py")}


def test_the_list_that_the_page_shows_is_the_one_that_is_printed(place):
    (shown,) = re.findall(r"\$ python -m bench list margins li_\n(.*?)```", PAGE, re.DOTALL)
    printed = bench(place, "list", "margins", "li_")
    assert [line.rstrip() for line in printed.splitlines()] == [line.rstrip() for line in shown.splitlines()]


def test_margin_and_gate_are_listed_with_the_package_they_come_from(place):
    about = tomllib.loads((EXAMPLE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    package = f"{about['name']} {about['version']}"
    for what, name in (("margins", "li_arcface"), ("enhancements", "beyond")):
        rows = {row["name"]: row for row in json.loads(bench(place, "list", what, "--json"))}
        assert rows[name]["from"] == package
        assert {row["from"] for row in rows.values()} == {"", package}


def test_the_suite_of_the_page_loads_and_its_runs_are_planned(place):
    bench(
        place,
        "plan",
        EXAMPLE / "suite.yaml",
        "--json",
        "--set",
        f"data.root={place[0] / 'root'}",
        "--set",
        "recipe.batch=16",
    )
    assert set(planned(place)) == RUNS


def test_every_run_trains_and_those_that_use_the_package_record_it(ran):
    assert set(ran) == RUNS
    for key, found in ran.items():
        own = key == ("arcface", "0")
        assert found["config"].get("packages") == (None if own else {"bench-li-arcface": "0.1.0"})
        assert found["result"]["environment"].get("bench-li-arcface") == (None if own else "0.1.0")
        assert found["result"]["metrics"]["loss"] > 0
    assert ran["li_arcface", "0.1"]["result"]["weights_sha256"] != ran["li_arcface", "0"]["result"]["weights_sha256"]


def test_a_gate_of_another_package_keeps_the_baseline_of_its_margin(place, ran):
    plan = Store(place[0] / "results").plan("tiny")
    cells = {run["cell"] for run in plan["runs"]}
    assert all(run["baseline"] in cells for run in plan["runs"])
    assert len({run["baseline"] for run in plan["runs"]}) == 2


def test_another_version_of_the_package_is_another_run(place, tmp_path):
    before, after = planned(place), planned(place, installed_example(tmp_path, "0.2.0"))
    assert {key for key in RUNS if before[key] == after[key]} == {("arcface", "0")}


def test_the_contract_tests_find_the_twins_and_pass(place):
    words = "twin_covers or base_loss and li_arcface or matched and li_arcface and beyond"
    command = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/losses/test_loss_contract.py", "-k", words]
    answer = python(*command, path=(place[1], EXAMPLE / "twins"))
    assert answer.returncode == 0, answer.stdout
    assert int(re.findall(r"(\d+) passed", answer.stdout)[0]) >= 5
