"""Whether anything that the embedded MLflow database was told of a suite has changed since, by a look at the files.

Telling MLflow again would add nothing, but takes seconds to find that out. What is remembered may be deleted any time.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from bench.records import digest
from bench.store import Store


def mirror_state(store: Store, name: str) -> str:
    """A digest of the suite's plan and report, of the stamps of its runs' files, and of the code that mirrors."""
    plan, report = store.plan(name), store.suite_folder(name) / "report"
    runs = {run["run"]: list(run["evaluations"].values()) for run in plan["runs"]}
    return digest(
        {
            "code": [_sha256(path) for path in sorted(Path(__file__).parent.glob("tracking*.py"))],
            "plan": _sha256(store.suite_folder(name) / "plan.json"),
            "report": report_state(report),
            "runs": {run: store.stamps(run, evaluations) for run, evaluations in runs.items()},
        }
    )


def report_state(folder: Path) -> str:
    """A digest of the names and contents of a report's files."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return digest([(str(path.relative_to(folder)), _sha256(path)) for path in files])


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
