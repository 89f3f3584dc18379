"""What mirroring to MLflow costs: the first time, again, and beside a server that never answers.

    python benchmarks/tracking.py
    python benchmarks/tracking.py --runs 2000 --epochs 12

Nothing is trained: the runs are made up, with records as full as real ones. Seconds are wall time and, beside it,
processor time of this process, which tells more on a machine that does other work.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from bench.scheduling.plan import make_plan  # noqa: E402
from bench.store import Store  # noqa: E402
from bench.suite.suite import load_suite  # noqa: E402
from bench.tracking import lagging, track_quietly, track_suite  # noqa: E402
from tests.made_up_store import finish_runs  # noqa: E402
from tests.tiny import write_root  # noqa: E402

SUITE = """\
name: many
data: {root: "ROOT", pixels: 24, protocols: [lfw, ytf, cfp_fp]}
backbone: {name: small_cnn, embedding: 16, width: 4, depth: 1}
margin: {name: arcface}
enhancement: {gate: uniform}
recipe: {epochs: EPOCHS, batch: 16}
evaluation: {far: [1e-2, 1e-3]}
grid: {enhancement.strength: [STRENGTHS]}
seeds: 5
"""


def made_up(folder: Path, runs: int, epochs: int) -> Store:
    path = folder / "many.yaml"
    strengths = ", ".join(f"{i * 1e-4:.5f}" for i in range(runs // 5))
    text = SUITE.replace("ROOT", str(write_root(folder / "root"))).replace("EPOCHS", str(epochs))
    path.write_text(text.replace("STRENGTHS", strengths))
    store = Store(folder / "results")
    store.write_plan("many", make_plan(load_suite(path)).record("benchmark"))
    finish_runs(store, store.plan("many")["runs"], epochs)
    return store


def told(what: str, act: Callable[[], Any]) -> None:
    begun, worked = time.perf_counter(), time.process_time()
    found = act()
    seconds, work = time.perf_counter() - begun, time.process_time() - worked
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    memory = f"{int(peak[1]) / 2**10:.0f} MB at most so far" if peak else ""
    print(f"{what:52} {seconds:7.1f} s  {work:7.1f} s of processor  {memory}  {found}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--epochs", type=int, default=12)
    options = parser.parse_args()
    print(f"{options.runs} runs of {options.epochs} epochs, {os.cpu_count()} cores, Python {platform.python_version()}")
    with tempfile.TemporaryDirectory() as name:
        store = made_up(Path(name), options.runs, options.epochs)
        told("into SQLite, from nothing", lambda: track_suite(store, "many"))
        told("again: each run looked for in MLflow", lambda: track_suite(store, "many"))
        told("what waits to be mirrored", lambda: lagging(store, store.suite_names()))
        told("at the end of a command, nothing new", lambda: track_quietly(store, "many"))
        with socket.create_server(("127.0.0.1", 0)) as silent:
            uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
            told("at the end of a command, a server never answers", lambda: track_quietly(store, "many", uri=uri))


if __name__ == "__main__":
    main()
