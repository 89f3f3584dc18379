"""The report of a suite of 500 runs: for the first time, again, after one run changed; and of 100 strengths.

    python benchmarks/report.py
    python benchmarks/report.py usual --seeds 1 --profile

Nothing is trained: the finished runs are made up, records as full as real ones, 6,000 pairs an evaluation. Each report
is written by a fresh process. Seconds are wall time and processor time of all its processes, memory is what these hold
together at their highest; a machine that does other work tells more of the first.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from bench.scheduling.plan import make_plan  # noqa: E402
from bench.store import Store  # noqa: E402
from bench.suite.suite import load_suite  # noqa: E402
from tests.made_up_store import finish_runs  # noqa: E402
from tests.tiny import write_root  # noqa: E402

SUITE = """\
name: NAME
data: {root: "ROOT", pixels: 24, protocols: [lfw, ytf, cfp_fp]}
backbone: {name: small_cnn, embedding: 16, width: 4, depth: 1}
enhancement: {gate: uniform}
recipe: {epochs: 2, batch: 16}
evaluation: {far: [1e-2, 1e-3]}
executor: {device: cpu}
report: {metrics: [accuracy, tar_at_far_1e-2, isotropy, compactness_deg]}
grid:
  backbone: [{name: small_cnn, embedding: 16, width: 4}, {name: small_resnet, embedding: 16, width: 4}]
  margin: [normface, arcface, cosface, sphereface, combined]
  enhancement.strength: [STRENGTHS]
seeds: SEEDS
"""
REPORT = """
import json, os, sys, time
from pathlib import Path
from bench.report.write import write_report
from bench.store import Store
begun = time.perf_counter()
paths = write_report(Store(Path(sys.argv[1])), sys.argv[2])
wall, used = time.perf_counter() - begun, os.times()
assert not paths.warnings, paths.warnings
print(json.dumps([wall, sum(used[:4]), len(paths.files)]))
"""
PROFILE = """
import sys, time
from pathlib import Path
from bench.report import drawing
from bench.report.results import report_data
from bench.store import Store
data = report_data(Store(Path(sys.argv[1])), sys.argv[2])
for name in drawing.FIGURES.names():
    begun = time.process_time()
    drawing.draw_one(name, data, {})
    print(f"  {name:28} {time.process_time() - begun:5.1f} s")
"""


def made_up(folder: Path, name: str, strengths: list[float], seeds: int) -> Store:
    text = SUITE.replace("NAME", name).replace("ROOT", str(folder / "root")).replace("SEEDS", str(seeds))
    path = folder / f"{name}.yaml"
    path.write_text(text.replace("STRENGTHS", ", ".join(f"{value:.6g}" for value in strengths)))
    plan, store = make_plan(load_suite(path)), Store(folder / f"results_{name}")
    store.write_plan(name, plan.record("benchmark"))
    finish_runs(store, [run.record() for run in plan.runs], epochs=20, pairs=6000)
    time.sleep(2.5)  # what changed a moment ago is not remembered
    return store


def report(store: Store, name: str) -> tuple[float, float, int, float]:
    """Seconds, processor seconds, files, MiB of all processes together at most."""
    child = subprocess.Popen(
        [sys.executable, "-c", REPORT, str(store.root), name], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    watched, peak = psutil.Process(child.pid), 0
    while child.poll() is None:
        peak = max(peak, sum(_memory(process) for process in _all(watched)))
        time.sleep(0.25)
    assert child.returncode == 0
    assert child.stdout is not None
    wall, used, files = json.loads(child.stdout.read())
    return wall, used, files, peak / 2**20


def _all(process: psutil.Process) -> list[psutil.Process]:
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _memory(process: psutil.Process) -> int:
    """Bytes, of pages that several processes share its part, where the system tells that."""
    try:
        found = process.memory_full_info()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0
    return int(getattr(found, "pss", found.rss))


def change_one(store: Store, name: str) -> None:
    run = store.plan(name)["runs"][-1]
    evaluation = run["evaluations"]["lfw"]
    record, arrays = store.evaluation(run["run"], evaluation), store.evaluation_arrays(run["run"], evaluation)
    assert record is not None
    metrics = {**record["metrics"], "accuracy": 0.5}
    store.write_evaluation(run["run"], evaluation, {**record, "metrics": metrics}, arrays)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=["usual", "strengths"], help="usual, strengths")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--profile", action="store_true", help="processor time of each figure, drawn alone")
    asked = parser.parse_args()
    strengths = {"usual": [0.0, *(10 ** (-4 + i / 2) for i in range(9))], "strengths": [i / 99 for i in range(100)]}
    print(f"{platform.system()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_root(folder / "root")
        for name in asked.parts:
            seeds = asked.seeds if name == "usual" else 1
            store = made_up(folder, name, strengths[name], seeds)
            print(f"\n2 backbones × 5 margins × {len(strengths[name])} strengths × {seeds} seeds, 3 protocols")
            print("| report | seconds | processor seconds | files | MiB |\n|---|---|---|---|---|")
            rounds: list[tuple[str, Any]] = [("first", None), ("again", None), ("one run changed", change_one)]
            for what, before in rounds:
                if before:
                    before(store, name)
                wall, used, files, peak = report(store, name)
                print(f"| {what} | {wall:.1f} | {used:.1f} | {files} | {peak:.0f} |", flush=True)
            if asked.profile:
                subprocess.run([sys.executable, "-c", PROFILE, str(store.root), name], cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
