"""`bench.load_results`: runs as a data frame, and an import that stays light."""

import subprocess
import sys

import pytest

import bench
from bench.errors import StoreError
from bench.store import Store
from tests.made_up_store import finish_runs


def plan(name, seeds):
    runs = [
        {
            "run": f"{'ab'[seed % 2]}{seed:015x}", "seed": seed, "cell": "c", "baseline": "c",
            "axes": {"margin": "arcface"},
            "config": {"backbone": {"name": "small_cnn"}, "margin": {"name": "arcface"}, "seed": seed},
            "evaluations": {"lfw": f"e{seed:015x}"},
        }
        for seed in seeds
    ]  # fmt: skip
    return {
        "schema": 1, "suite": name, "title": name, "file": "", "digest": "", "command": "", "warnings": [], "notes": [],
        "axes": ["margin"], "report": {"caption": "", "metrics": ["accuracy"], "digits": 2}, "protocols": ["lfw"],
        "runs": runs,
    }  # fmt: skip


def test_a_row_a_run_of_the_suites_asked_for(tmp_path):
    store = Store(tmp_path)
    for name, seeds in (("one", [0, 1]), ("two", [2, 3, 4])):
        store.write_plan(name, plan(name, seeds))
    finish_runs(store, store.plan("one")["runs"])
    frame = bench.load_results(tmp_path)
    assert frame["suite"].tolist() == ["one"] * 2 + ["two"] * 3
    assert frame["status"].tolist() == ["done"] * 2 + ["missing"] * 3
    assert frame["lfw.accuracy"].notna().sum() == 2
    assert len(bench.load_results(str(tmp_path), "two")) == len(bench.load_results(tmp_path, suites=["two"])) == 3


def test_where_there_is_nothing_it_says_so(tmp_path):
    with pytest.raises(StoreError, match="no suite has run here"):
        bench.load_results(tmp_path)
    with pytest.raises(StoreError, match="no suite called 'nope'"):
        bench.load_results(tmp_path, ["nope"])


def test_importing_the_package_imports_nothing_else():
    program = "import sys, bench; print(sorted(set(sys.modules) & {'pandas', 'numpy', 'torch', 'bench.store'}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
