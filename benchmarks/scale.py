"""Many runs: expanding a plan of 100,000, reading a store of 10,000, and commands where 1,000 runs are done.

    python benchmarks/scale.py
    python benchmarks/scale.py plan store --runs 2000

Nothing is trained: the finished runs are made up, records as full as real ones. Each measurement is a process;
where several are taken the median is told. Seconds are wall time, so a machine that does other work tells more.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from bench.scheduling.plan import make_plan  # noqa: E402
from bench.store import Store  # noqa: E402
from bench.suite.suite import load_suite  # noqa: E402
from tests.made_up_store import finish_runs  # noqa: E402
from tests.tiny import write_root  # noqa: E402

SUITE = """\
name: NAME
data: {root: "ROOT", pixels: 24, protocols: [PROTOCOLS]}
backbone: {name: small_cnn, embedding: 16, width: 4, depth: 1}
enhancement: {gate: uniform}
recipe: {epochs: 2, batch: 16}
evaluation: {far: [1e-2, 1e-3]}
executor: {device: cpu}
report: {metrics: [METRIC]}
"""
PLAN = """
import json, re, sys, time
from pathlib import Path
from bench.scheduling.plan import make_plan
from bench.store import Store
from bench.suite.suite import load_suite
at = [time.perf_counter()]
suite = load_suite(Path(sys.argv[1])); at.append(time.perf_counter())
plan = make_plan(suite); at.append(time.perf_counter())
peak = int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
store = Store(Path(sys.argv[2]))
store.write_plan(suite.name, plan.record("benchmark")); at.append(time.perf_counter())
store.plan(suite.name); at.append(time.perf_counter())
size = (store.suite_folder(suite.name) / "plan.json").stat().st_size
print(json.dumps([len(plan.runs), *(b - a for a, b in zip(at, at[1:])), peak / 2**10, size / 1e6]))
"""
READ = """
import json, sys, time
from pathlib import Path
from bench.report.results import load_results
from bench.store import Store
name = sys.argv[2]
begun = time.perf_counter()
frame = load_results(Store(Path(sys.argv[1])), [name]); read = time.perf_counter() - begun
assert (frame["status"] == "done").all()
begun = time.perf_counter()
store = Store(Path(sys.argv[1]))
states = {store.state(run["run"], run["evaluations"].values()) for run in store.plan(name)["runs"]}
assert states == {"done"}
print(json.dumps([len(frame), read, time.perf_counter() - begun]))
"""


def python(code: str, *words: str) -> Any:
    done = subprocess.run([sys.executable, "-c", code, *words], cwd=ROOT, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def suite(folder: Path, name: str, grid: str, protocols: str = "", metric: str = "compactness_deg") -> Path:
    path = folder / f"{name}.yaml"
    text = SUITE.replace("NAME", name).replace("ROOT", str(folder / "root"))
    path.write_text(text.replace("PROTOCOLS", protocols).replace("METRIC", metric) + grid)
    return path


def numbers(count: int, step: float) -> str:
    return ", ".join(f"{i * step:.5f}" for i in range(count))


def plans(folder: Path, runs: int, rounds: int) -> list[tuple[str, str, str]]:
    many_cells = (
        "grid:\n  backbone: [{name: small_cnn, embedding: 16, width: 4}, {name: small_cnn, embedding: 32, width: 4}]\n"
        f"  margin: [normface, arcface, cosface, sphereface, combined]\n"
        f"  enhancement.strength: [{numbers(runs // 50, 1e-4)}]\nseeds: 5\n"
    )
    margins = ", ".join(f"{{name: arcface, m: {i / 200}}}" for i in range(100))
    many_seeds = f"grid:\n  margin: [{margins}]\nseeds: {runs // 100}\n"
    rows = []
    for name, what, grid, protocols in (
        ("cells", f"2 × 5 margins × {runs // 50:,} strengths × 5 seeds", many_cells, ""),
        ("seeds", f"100 cells × {runs // 100:,} seeds", many_seeds, ""),
        ("tested", "100 cells of them, tested on 3 protocols", many_seeds, "lfw, ytf, cfp_fp"),
    ):
        path = suite(folder, name, grid, protocols)
        make_plan(load_suite(path))  # packs the data
        found = [python(PLAN, str(path), str(folder / "results")) for _ in range(rounds)]
        count, load, plan, write, read, peak, size = (statistics.median(part) for part in zip(*found, strict=True))
        rows.append(
            (
                f"a plan of {count:,.0f} runs ({what})",
                f"{load + plan:.1f} s ({load:.1f} s suite, {plan:.1f} s ids), {peak:.0f} MiB",
                "≤ 3 s, ≤ 1 GB",
            )
        )
        rows.append(("… its `plan.json`", f"written in {write:.1f} s, read in {read:.1f} s, {size:.0f} MB", ""))
    return rows


def made_up(folder: Path, name: str, margins: int, strengths: int, seeds: int) -> tuple[Path, Path]:
    """A suite with all its runs done, and its results folder."""
    values = ", ".join(f"{{name: arcface, m: {i / 50}}}" for i in range(margins))
    grid = f"grid:\n  margin: [{values}]\n  enhancement.strength: [{numbers(strengths, 1e-2)}]\nseeds: {seeds}\n"
    path, store = suite(folder, name, grid, "lfw, ytf, cfp_fp", "accuracy"), Store(folder / f"results_{name}")
    plan = make_plan(load_suite(path))
    store.write_plan(name, plan.record("benchmark"))
    finish_runs(store, [run.record() for run in plan.runs])
    time.sleep(2.5)  # what changed a moment ago is not remembered
    return path, store.root


def stores(folder: Path, runs: int, rounds: int) -> list[tuple[str, str, str]]:
    _, results = made_up(folder, "many", margins=20, strengths=10, seeds=max(1, runs // 200))
    first = python(READ, str(results), "many")
    found = [python(READ, str(results), "many") for _ in range(rounds)]
    count, read, states = (statistics.median(part) for part in zip(*found, strict=True))
    size = (results / "index.tsv").stat().st_size / 1e6
    return [
        (f"a store of {count:,.0f} finished runs, four evaluations each: read", f"{read:.1f} s", "≤ 3 s"),
        ("… without its index", f"{first[1]:.1f} s", ""),
        ("… only the states of its runs", f"{states:.1f} s", ""),
        ("… the index; looks at files (`stat`) a run", f"{size:.0f} MB; 6 (2 and one an evaluation)", ""),
    ]


def commands(folder: Path, runs: int, rounds: int) -> list[tuple[str, str, str]]:
    path, results = made_up(folder, "done", margins=5, strengths=4, seeds=max(1, runs // 20))

    def seconds(*words: str) -> float:
        begun = time.perf_counter()
        command = [sys.executable, "-m", "bench", *words, "--results", str(results)]
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return time.perf_counter() - begun

    first = seconds("run", str(path))
    again = statistics.median(seconds("run", str(path)) for _ in range(rounds))
    plain = statistics.median(seconds("plan", str(path)) for _ in range(rounds))
    status = statistics.median(seconds("status") for _ in range(rounds))
    return [
        (
            f"`bench run` with {runs:,} runs done and nothing to do, report and mirror included",
            f"{again:.1f} s",
            "≤ 3 s",
        ),
        ("… planning and the states of all runs (`bench plan`)", f"{plain:.1f} s", ""),
        ("… the first time: every figure drawn, every run mirrored", f"{first:.0f} s", ""),
        (f"`bench status` of these {runs:,} runs", f"{status:.1f} s", "≤ 1 s"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", help="plan, store, commands; none: all")
    parser.add_argument("--runs", type=int, default=100_000, help="of the plan; the store has a tenth of them")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    os.environ["PYTHONPATH"] = str(ROOT)
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["BENCH_CACHE"] = str(folder / "cache")
        write_root(folder / "root")
        if not given.parts or "plan" in given.parts:
            rows += plans(folder, given.runs, given.rounds)
        if not given.parts or "store" in given.parts:
            rows += stores(folder, given.runs // 10, given.rounds)
        if not given.parts or "commands" in given.parts:
            rows += commands(folder, max(20, given.runs // 100), given.rounds)
    load = "/".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, load average at the end {load}\n")
    print("| what | measured | target |\n|---|---|---|")
    for row in rows:
        print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()
