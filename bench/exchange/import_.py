"""Reading an export back into a results folder: everything is checked before anything is written."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.errors import some
from bench.exchange.archive import Archive, ExchangeError, open_archive
from bench.exchange.recompute import Recomputed, recompute
from bench.exchange.slim import same_evaluation
from bench.exchange.sound import Contents, read_contents
from bench.records import without, write_bytes
from bench.store import Store


@dataclass(frozen=True)
class Imported:
    """``added``: runs that were not here; ``completed``: here, with evaluations that were not; ``equal``: here as they
    are. ``checked``: what recomputing found, or None where it was not asked for."""

    suite: str
    added: tuple[str, ...]
    completed: tuple[str, ...]
    equal: tuple[str, ...]
    checked: Recomputed | None


def import_export(store: Store, path: Path, *, check: bool = False) -> Imported:
    """Reads an export into the results folder, each run whole or not at all.

    What is here and equal is left alone. ``check``: metrics are computed from the scores again, and must equal the
    recorded. Raises ExchangeError, before anything is written, for a file that is damaged or is no export, for a suite
    or run that is here and differs, and where a metric does.
    """
    with open_archive(path) as archive:
        archive.check_all()
        contents = read_contents(archive)
        conflicts = list(_conflicts(store, archive, contents))
        if conflicts:
            raise ExchangeError(f"{path} does not go with {store.root}: {some(conflicts)}; nothing was imported")
        checked = recompute(archive, contents) if check else None
        if checked is not None and checked.differing:
            raise ExchangeError(
                f"{path}: {len(checked.differing)} of {checked.values:,} metrics are not those of its scores: "
                f"{some(checked.differing)}; nothing was imported"
            )
        added, completed, equal = _place(store, archive, contents)
    return Imported(contents.suite, added, completed, equal, checked)


def _conflicts(store: Store, archive: Archive, contents: Contents) -> Iterator[str]:
    """What is here and differs. Raises StoreError for a suite whose name is not one for a folder."""
    store.suite_folder(contents.suite)
    if contents.suite in store.suite_names():
        here, there = store.plan(contents.suite), contents.plan
        if _plain(here) != _plain(there):
            yield f"suite {contents.suite!r} is here with another plan (digest {here.get('digest')})"
    for name in archive.names("people/"):
        kept = store.people(_stem(name))
        if kept is not None and kept != archive.read(name):
            yield f"protocol {_stem(name)[:12]}… is here with other people"
    search = store.search(contents.suite) if "search.json" in archive.members else None
    if search is not None and search != archive.json("search.json"):
        yield f"suite {contents.suite!r} is here with another search"
    for run in contents.runs:
        if (problem := _run_conflict(store, archive, contents, run)) is not None:
            yield f"run {run} {problem}"


def _plain(plan: Mapping[str, Any]) -> dict[str, Any]:
    """What two plans must agree in: not the command nor the place of the file."""
    return {run["run"] + run["cell"]: without("schema", run) for run in plan["runs"]}


def _run_conflict(store: Store, archive: Archive, contents: Contents, run: str) -> str | None:
    files = store.files(run)
    if not files:
        left = store.run_folder(run).is_dir() and any(store.run_folder(run).iterdir())
        return "has a folder here without any record: somebody works at it, or it was cut short" if left else None
    theirs = contents.results.get(run)
    mine = store.result(run)
    if theirs is None:
        name = f"runs/{run}/failure.json"
        if mine is None and _same_failure(store.failure(run), archive.json(name) if name in archive.members else None):
            return None
        return "is here and " + ("trained; there it is not" if mine else "stands otherwise than there")
    if mine is None:
        return "is here and not trained: it is being trained, or was cut short or failed; finish or remove it first"
    if mine != theirs:
        return "is here with another result"
    for key, record in contents.evaluations.get(run, {}).items():
        here = store.evaluation(run, key)
        if here is not None and not same_evaluation(here, record):
            return f"is here with another evaluation on {record.get('protocol')}"
    return None


def _same_failure(mine: Mapping[str, Any] | None, theirs: Mapping[str, Any] | None) -> bool:
    return (mine or {}).get("step") == (theirs or {}).get("step") and bool(mine) == bool(theirs)


def _place(
    store: Store, archive: Archive, contents: Contents
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    added, completed, equal = list[str](), list[str](), list[str]()
    store.check_writable()
    staging = Path(tempfile.mkdtemp(dir=store.root, prefix=".importing-"))
    try:
        staged = Store(staging)
        for run in contents.runs:
            here = store.files(run)
            names = archive.names(f"runs/{run}/")
            if here:
                new = [name for name in names if name.removeprefix(f"runs/{run}/") not in here]
                new = [name for name in new if "/evaluations/" in name or "/checkpoint/" in name]
                for name in sorted(new, key=lambda name: name.endswith(".json")):  # a record follows its arrays
                    write_bytes(store.run_folder(run) / name.removeprefix(f"runs/{run}/"), archive.read(name))
                (completed if new else equal).append(run)
                continue
            for name in names:
                target = staged.run_folder(run) / name.removeprefix(f"runs/{run}/")
                write_bytes(target, archive.read(name), durable=False)
            if names:
                _move(staged.run_folder(run), store.run_folder(run))
                added.append(run)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    for name in archive.names("people/"):
        if store.people(_stem(name)) is None:
            store.write_people(_stem(name), archive.read(name))
    if contents.suite not in store.suite_names():
        store.write_plan(contents.suite, contents.plan)
    if "search.json" in archive.members and store.search(contents.suite) is None:
        store.write_search(contents.suite, archive.json("search.json"))
    if added or completed:
        before = store.imported(contents.suite) or {"runs": []}
        runs = sorted({*before["runs"], *added})
        store.write_imported(
            contents.suite, {"schema": 1, "suite": contents.suite, "manifest": archive.manifest_sha256, "runs": runs}
        )
    return tuple(added), tuple(completed), tuple(equal)


def _move(source: Path, target: Path) -> None:
    """Puts a whole run in its place. Where a folder came to be there meanwhile that is not empty, it stays."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        source.rename(target)
    except OSError as error:
        raise ExchangeError(f"{target}: cannot be written: {error.strerror or error}") from None


def _stem(name: str) -> str:
    return name.rpartition("/")[2].partition(".")[0]
