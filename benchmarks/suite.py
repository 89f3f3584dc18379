"""The main job from nothing: wall time, what a run spends on what, and the time of doing nothing a second time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.training.environment import environment

ROOT = Path(__file__).parent.parent
COMMAND = [sys.executable, "-m", "bench", "run", "suites/ablation_intra.yaml"]


def wall(folder: Path) -> float:
    begun = time.monotonic()
    subprocess.run(
        [*COMMAND, "--results", str(folder / "results")], cwd=ROOT, check=True, stdout=subprocess.DEVNULL,
        env={**os.environ, "BENCH_CACHE": str(folder / "cache")},
    )  # fmt: skip
    return time.monotonic() - begun


def main() -> None:
    print({key: value for key, value in environment().items() if key not in ("commit", "dirty")})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        first, again = wall(folder), wall(folder)
        train, tests = [], []
        for run in (folder / "results" / "runs").iterdir():
            train.append(json.loads((run / "result.json").read_text())["metrics"]["train_seconds"])
            lines = (json.loads(line) for line in (run / "events.jsonl").read_text().splitlines())
            tests.append(sum(line["seconds"] for line in lines if line["kind"] == "evaluated"))
    runs, total = len(train), sum(train) + sum(tests)
    print(f"{runs} runs: {first:.0f} s from nothing to the report; nothing to do: {again:.1f} s")
    print(f"a run: {sum(train) / runs:.1f} s training, {sum(tests) / runs:.1f} s evaluation ({sum(tests) / total:.0%})")


if __name__ == "__main__":
    main()
