"""Mirroring in a process of its own, which can be given up: a server that never answers holds nothing up for long."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from bench.store import Store
from bench.tracking.target import hidden, line

_HASTY = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "5"}


def track_apart(results: Path, names: Sequence[str], uri: str, seconds: float) -> str | None:
    """Mirrors suites to a tracker in at most so many seconds; what went wrong, in one line.

    What was told when the time is over stays told, and the next call goes on from there.
    """
    # Not in the arguments, which everybody on a machine can read: a URI may hold a password.
    asked = json.dumps({"results": str(results.resolve()), "names": list(names), "uri": uri, "seconds": seconds})
    paths = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    env = {**os.environ, **_HASTY, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    try:
        done = subprocess.run(
            [sys.executable, "-m", __name__], input=asked, env=env, timeout=seconds, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        return None if done.returncode == 0 else line(done.stdout, uri) or f"the mirroring ended with {done.returncode}"
    except subprocess.TimeoutExpired:
        return f"MLflow at {hidden(uri)} did not take everything within {seconds:g} s"
    except OSError as error:
        return line(error, uri)


def _main() -> int:
    from bench.tracking import track_suite

    asked = json.load(sys.stdin)
    # Where whoever waits for this was killed, nobody else ends it.
    limit = threading.Timer(asked["seconds"], os._exit, (3,))
    limit.daemon = True
    limit.start()
    try:
        for name in asked["names"]:
            track_suite(Store(Path(asked["results"])), name, uri=asked["uri"], seconds=asked["seconds"])
    except Exception as error:
        sys.stdout.write(line(error, asked["uri"]) or type(error).__name__)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_main())
