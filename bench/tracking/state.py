"""Whether anything that MLflow was told of a suite has changed since, by a look at the files.

Telling MLflow again would add nothing, but takes seconds to find that out. What is remembered may be deleted any time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.records import digest
from bench.store import Store
from bench.store_index import stamp_of
from bench.tracking.target import DATABASE, Target

if TYPE_CHECKING:
    from bench.tracking.mirror import Claims


def mirror_state(store: Store, plan: Mapping[str, Any], others: Claims) -> str:
    """A digest of the suite's plan, search and report, of what other suites plan of its runs, of the stamps of its
    runs' files, and of the code that mirrors."""
    folder = store.suite_folder(plan["suite"])
    shared = {run: [(name, entry["evaluations"]) for name, entry in claims] for run, claims in others.items()}
    runs = {run["run"]: set(run["evaluations"].values()) for run in plan["runs"]}
    for run, claims in others.items():
        runs[run].update(evaluation for _, entry in claims for evaluation in entry["evaluations"].values())
    return digest(
        {
            "code": [_sha256(path) for path in sorted(Path(__file__).parent.glob("*.py"))],
            "plan": _sha256(folder / "plan.json"),
            "search": digest(store.search(plan["suite"])),
            "report": report_state(folder / "report"),
            "shared": shared,
            "runs": {run: store.stamps(run, sorted(evaluations)) for run, evaluations in runs.items()},
        }
    )


def report_state(folder: Path) -> str:
    """A digest of the names and contents of a report's files."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return digest([(str(path.relative_to(folder)), _sha256(path)) for path in files])


def database(store: Store, where: Target) -> str | None:
    """The stamp of the embedded database: another one where it has changed, whoever changed it."""
    return stamp_of(str(store.root / DATABASE)) if where.embedded else None


def is_remembered(store: Store, name: str, where: Target, state: str) -> bool:
    """Whether the suite was mirrored in this state, and the embedded database has not changed since."""
    return _remembered(store, name).get(where.key) == {"state": state, "database": database(store, where)}


def remember(store: Store, name: str, where: Target, state: str, before: str | None) -> None:
    """Keeps the state that was mirrored. ``before``: the database's stamp before, for what was remembered of other
    suites is as true as it was."""
    now = database(store, where)
    store.write_mirrored(name, {**_remembered(store, name), where.key: {"state": state, "database": now}})
    for other in store.suite_names() if where.embedded and now != before else ():
        known = _remembered(store, other)
        if other != name and (known.get(where.key) or {}).get("database", "") == before:
            store.write_mirrored(other, {**known, where.key: {**known[where.key], "database": now}})


def _remembered(store: Store, name: str) -> dict[str, Any]:
    """Target → what was mirrored there; nothing where an older version wrote it otherwise."""
    found = store.mirrored(name) or {}
    return {key: value for key, value in found.items() if isinstance(value, dict)}


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
