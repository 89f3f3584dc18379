"""`bench` as a user starts it, with a patch that reaches its workers too, and ways to look at what it leaves behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from bench.scheduling.leases import holder

REPOSITORY = Path(__file__).parents[2]
PATIENCE = 600.0  # seconds after which what has not happened never will, on a machine however busy

SUITE = """\
name: tiny
data: {root: "ROOT", pixels: 24, protocols: [lfw]}
backbone: {name: small_cnn, embedding: 16, width: 4, depth: 1}
margin: {name: normface, s: 16}
enhancement: {gate: posterior}
recipe:
  epochs: 2
  batch: 16
  optimiser: {name: sgd, lr: 0.05}
  augmentation: [flip, {name: shift, pixels: 1}]
evaluation: {far: [1e-1], bootstrap: 0}
grid: {enhancement.strength: [0, 0.1]}
report: {metrics: [accuracy, tar_at_far_1e-1]}
executor: {device: cpu, slots: 2}
"""

LAUNCHER = """\
{everywhere}
if __name__ == "__main__":
    from bench.cli.main import main

    main()
else:  # a worker imports the script that started its parent, under another name
{in_workers}
"""

CHECKPOINT_EVERY_STEP = """\
import bench.training.loop
bench.training.loop.CHECKPOINT_SECONDS = 0.0
bench.training.loop.CHECKPOINT_SHARE = 1e9
"""


SLOW_STEPS = """\
import time
from bench.training.loop import Training
quick_step = Training._train_step

def slow_step(training):
    time.sleep(0.03)
    quick_step(training)

Training._train_step = slow_step
"""


@dataclass
class Place:
    """A folder with a data root, a cache and results, and `bench` in it."""

    folder: Path
    root: Path
    cache: Path
    everywhere: str = ""  # Python that parent and workers do first
    in_workers: str = "pass"
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def end(self) -> None:
        """Ends whatever a test that failed has left running."""
        for process in self.started:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()

    def suite(self, text: str = SUITE) -> Path:
        path = self.folder / "tiny.yaml"
        path.write_text(text.replace("ROOT", str(self.root)))
        return path

    def start(self, *words: object, **more: Any) -> subprocess.Popen[str]:
        """Starts `bench WORDS` in a process group of its own, its errors in a pipe unless ``more`` says otherwise."""
        script = self.folder / "launcher.py"
        patch = {"everywhere": self.everywhere, "in_workers": textwrap.indent(self.in_workers, "    ")}
        script.write_text(LAUNCHER.format(**patch))
        environment = {
            "PATH": os.environ["PATH"], "HOME": str(self.folder), "PYTHONPATH": str(REPOSITORY),
            "BENCH_CACHE": str(self.cache), "OMP_NUM_THREADS": "1",
        }  # fmt: skip
        more = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
        process = subprocess.Popen(
            [sys.executable, str(script), *map(str, words)], cwd=self.folder, env=environment, text=True,
            start_new_session=True,
            preexec_fn=hears_signals,  # noqa: PLW1509
            **more,
        )  # fmt: skip
        self.started.append(process)
        return process

    def run(self, *words: object, expect: int = 0) -> subprocess.CompletedProcess[str]:
        process = self.start(*words)
        out, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == expect, out + err
        assert "Traceback" not in err, err
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def table(self, results: str = "results") -> bytes:
        return (self.folder / results / "suites" / "tiny" / "report" / "table.csv").read_bytes()


def weights(results: Path) -> dict[str, str]:
    """sha256 of the weights of every trained run."""
    found = sorted((results / "runs").glob("*/result.json"))
    return {path.parent.name: json.loads(path.read_bytes())["weights_sha256"] for path in found}


def events(run_folder: Path) -> list[dict[str, Any]]:
    try:
        return [json.loads(line) for line in (run_folder / "events.jsonl").read_text().splitlines()]
    except FileNotFoundError:
        return []


def hears_signals() -> None:
    """A shell that runs the tests in the background, or `nohup`, has them, and all that they start, ignore these."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def wait_for(what: Callable[[], Any], process: subprocess.Popen[str] | None = None) -> Any:
    """The first true answer; an error where it does not come, or the process ends before."""
    deadline = time.monotonic() + PATIENCE
    while not (found := what()):
        assert time.monotonic() < deadline, "never happened"
        if process is not None and process.poll() is not None:
            raise AssertionError(f"ended with {process.returncode}: {process.communicate()}")
        time.sleep(0.01)
    return found


def workers(results: Path) -> dict[int, str]:
    """The living processes that hold a lease, and the run of each."""
    held = {}
    for folder in (results / "runs").glob("*"):
        found = holder(folder)
        if found is not None and found.machine and not found.gone:
            held[found.pid] = folder.name
    return held


def of_group(group: int) -> list[psutil.Process]:
    """The processes of a group that still run."""
    found = []
    for process in psutil.process_iter():
        try:
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return found


def nothing_left(results: Path) -> None:
    """Asserts that no lease is held and no temporary file lies about."""
    assert not [folder for folder in (results / "runs").glob("*") if holder(folder) is not None]
    assert not [str(path) for path in results.rglob(".*")]
