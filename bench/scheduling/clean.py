"""What can be removed from a results folder without losing a result; and its removal, run by run under the lease."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.data import unused
from bench.errors import StoreError
from bench.records import is_leftover
from bench.scheduling.leases import holder, newest_lease, take
from bench.scheduling.selection import asked
from bench.store import Store

HALF_WRITTEN = "left half-written by a process that ended"
_LONG = 1e6  # seconds: the lease is held for a moment, and must not beat into a folder that is being removed


@dataclass(frozen=True)
class Removable:
    """A file or folder, why it is of no use, its size, and the run it belongs to (None: to none, or to the cache)."""

    path: Path
    reason: str
    bytes: int
    run: str | None = None
    cached: bool = False


@dataclass(frozen=True)
class Findings:
    """What is ``removable``; the runs that somebody works at, which were not looked into (``busy``); and what was found
    but lies outside of the results folder, behind a link (``outside``)."""

    removable: tuple[Removable, ...]
    busy: tuple[str, ...]
    outside: tuple[Path, ...]


def find(store: Store, *, unplanned: bool = False, superseded: bool = False, cache: Path | None = None) -> Findings:
    """What can be removed: checkpoints of trained runs, files set aside as broken, what a crash left half-written, and
    leases that a later one has ended.

    ``unplanned``: also runs that neither a suite nor a search asks for. ``superseded``: also what was trained before in
    another execution class. ``cache``: also packed data there that no plan of this results folder uses.
    """
    found: list[Removable] = []
    busy, outside, planned = [], [], _planned(store)
    for run in store.run_ids():
        owner = holder(store.run_folder(run))
        if not _inside(store.root, store.run_folder(run)):
            outside.append(store.run_folder(run))
        elif owner is not None and not owner.gone:
            busy.append(run)
        elif unplanned and run not in planned:
            found.append(Removable(store.run_folder(run), "no suite asks for it", _size(store.run_folder(run)), run))
        else:
            found += _of_run(store, run)
    found += _left_by_crashes(store)
    if superseded:
        kept = sorted((store.root / "superseded").glob("*/*"))
        found += [Removable(path, "trained before in another execution class", _size(path)) for path in kept]
    outside += [item.path for item in found if not _inside(store.root, item.path)]
    removable = [item for item in found if item.path not in outside]
    if cache is not None:
        removable += _unused(store, cache)
    return Findings(tuple(removable), tuple(busy), tuple(outside))


def remove(store: Store, found: Iterable[Removable]) -> dict[Path, str]:
    """Removes what ``find`` found and is so still; returns what was left, with the reason."""
    left: dict[Path, str] = {}
    runs: dict[str, list[Removable]] = {}
    for item in found:
        if item.run is not None:
            runs.setdefault(item.run, []).append(item)
        elif item.cached:
            if not unused.remove(item.path):
                left[item.path] = "is being packed"
        elif _inside(store.root, item.path):
            _delete(item.path)
        else:
            left[item.path] = "lies outside of the results folder"
    for run, items in runs.items():
        left |= _remove_of_run(store, run, items)
    return left


def _remove_of_run(store: Store, run: str, items: list[Removable]) -> dict[Path, str]:
    folder = store.run_folder(run)
    lease = take(folder, beat_seconds=_LONG) if folder.is_dir() else None
    if lease is None:
        return {item.path: "somebody works at the run now, or has removed it" for item in items}
    left: dict[Path, str] = {}
    try:
        still = {item.path for item in _of_run(store, run)}
        if run not in _planned(store):
            still.add(folder)
        for item in items:
            if item.path not in still or not _inside(store.root, item.path):
                left[item.path] = "has changed meanwhile"
            elif item.path == folder:
                going = folder.with_name(f".{run}.{os.getpid()}.removed")  # half a run is never taken for a run
                folder.rename(going)
                shutil.rmtree(going)
            else:
                _delete(item.path)
    finally:
        lease.give_back()
    return left


def _of_run(store: Store, run: str) -> Iterator[Removable]:
    folder = store.run_folder(run)
    trained = store.result(run) is not None
    last = newest_lease(folder)
    for path in _files(folder):
        size = path.lstat().st_size
        if path.name.endswith(".broken"):
            yield Removable(path, "was broken and set aside", size, run)
        elif is_leftover(path, alone=True):  # nobody works at the run
            yield Removable(path, HALF_WRITTEN, size, run)
        elif trained and path.parent == store.checkpoint_folder(run) and path.name.startswith("training."):
            yield Removable(path, "checkpoint of a run that is trained", size, run)
        elif path.parent == folder and path.name.startswith("lease.") and path.name != last:
            yield Removable(path, "lease that a later one has ended", size, run)


def _left_by_crashes(store: Store) -> Iterator[Removable]:
    for path in store.root.glob("runs/.*.removed"):
        yield Removable(path, "run whose removal was cut short", _size(path))
    for path in _files(store.root / "suites"):
        if is_leftover(path):
            yield Removable(path, HALF_WRITTEN, path.lstat().st_size)


def _planned(store: Store) -> set[str]:
    """Runs that a suite's plan asks for, or the journal or the record of a search names."""
    found = [*(store.root / "optuna").glob("*.log"), *(store.root / "suites").glob("*/search.json")]
    journals = [path.read_text(encoding="utf-8", errors="replace") for path in found]
    named = {word for text in journals for word in re.findall(r"\b[0-9a-f]{16}\b", text)}
    return named | {run.run for run in asked(store)}


def _unused(store: Store, cache: Path) -> list[Removable]:
    images, protocols = set(), set()
    for run in asked(store):
        if "protocols" not in run.record:
            file = store.plan(run.suite)["file"]
            raise StoreError(
                f"the plan of suite {run.suite!r} was written by an older version and does not say which protocols it "
                f"uses, so nothing in the cache can be called unused; `bench run {file}` mends it"
            )
        images.add(run.record["config"]["train"]["digest"])
        protocols |= set(run.record["protocols"].values())
    found = unused.unused(cache, images=images, protocols=protocols)
    return [Removable(path, reason, _size(path), cached=True) for path, reason in found]


def _inside(root: Path, path: Path) -> bool:
    """Whether removing ``path`` removes something in the results folder: no link on the way leads out of it."""
    return path.parent.resolve().is_relative_to(root.resolve()) and not (path.is_symlink() and path.is_dir())


def _files(folder: Path) -> Iterator[Path]:
    """All files below, those behind links to folders aside."""
    for at, _, names in os.walk(folder):
        yield from (Path(at, name) for name in sorted(names))


def _size(path: Path) -> int:
    return path.lstat().st_size if not path.is_dir() else sum(file.lstat().st_size for file in _files(path))


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
