"""The only code that reads or writes ``results/``. Every file is written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import operator
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import StoreError, nearest
from bench.records import (
    SCHEMA,
    BrokenError,
    append_json,
    digest,
    read_checked,
    read_json,
    set_aside,
    without,
    write_bytes,
    write_json,
)
from bench.store_index import Index, stamp_of
from bench.store_plan import SCHEMA as PLAN_SCHEMA
from bench.store_plan import plan_text, whole_plan

if TYPE_CHECKING:
    import numpy as np

SEARCH_SCHEMA = 2
"""The newest format of ``search.json`` that is read."""
CANCELLED = "cancelled.json"
"""In a run's folder: it is not to be begun, and whoever trains it stops at a checkpoint."""
_SAFE = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,120}$")


class Store:
    """Run folders, evaluations and suite folders below one results folder.

    ``result.json`` is written last, with a checksum of its own content: its presence and soundness mean "trained".
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._index = Index(root)

    def save_index(self) -> None:
        """Keeps what `outcome`, `metrics` and `state` have read, so that the next command need not read it again."""
        self._index.save()

    def check_writable(self) -> None:
        """Raises StoreError at once if nothing could be written here later."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.root) as probe:  # has no name, so nothing can be left behind
                probe.write(bytes(4096))
                probe.flush()
                os.fsync(probe.fileno())
        except OSError as error:
            raise StoreError(f"{self.root}: cannot be written: {error.strerror or error}") from None

    # runs

    def run_folder(self, run: str) -> Path:
        return self.root / "runs" / _checked(run)

    def checkpoint_folder(self, run: str) -> Path:
        return self.run_folder(run) / "checkpoint"

    def run_ids(self) -> list[str]:
        runs = self.root / "runs"
        return sorted(p.name for p in runs.iterdir() if p.is_dir() and _SAFE.match(p.name)) if runs.is_dir() else []

    def write_config(self, run: str, config: Mapping[str, Any]) -> None:
        write_json(self.run_folder(run) / "config.json", config)

    def config(self, run: str) -> dict[str, Any] | None:
        """What the run trains; of a trained one whose ``config.json`` is broken, what its result says."""
        try:
            return read_json(self.run_folder(run) / "config.json")
        except BrokenError:
            if (result := self.result(run)) is None:
                raise
            return dict(result["config"])

    def files(self, run: str) -> dict[str, Path]:
        """All that a run left for good, by name in its folder: no leases, no log, and of checkpoints the weights."""
        folder = self.run_folder(run)
        names = ["config.json", "result.json", "failure.json", CANCELLED, "events.jsonl"]
        weights = [f"checkpoint/{part}.safetensors" for part in ("backbone", "head")]
        tests = [f"evaluations/{path.name}" for path in sorted(self.evaluation_folder(run).glob("*.json"))]
        tests += [f"evaluations/{path.name}" for path in sorted(self.evaluation_folder(run).glob("*.safetensors"))]
        return {name: folder / name for name in (*names, *tests, *weights) if (folder / name).is_file()}

    def append_event(self, run: str, event: Mapping[str, Any]) -> None:
        """Adds one line, with the time, to ``events.jsonl``."""
        append_json(self.run_folder(run) / "events.jsonl", {"time": time.time(), **event})

    def events(self, run: str) -> list[dict[str, Any]]:
        """All whole lines of ``events.jsonl``; a half-written one is passed over."""
        path = self.run_folder(run) / "events.jsonl"
        if not path.is_file():
            return []
        events = []
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                events.append(json.loads(line))
            except ValueError:
                continue
        return events

    def epochs(self, run: str) -> list[dict[str, Any]]:
        """The last record of every epoch, in order (a resumed run may have told an epoch twice)."""
        found = {event["epoch"]: event for event in self.events(run) if event.get("kind") == "epoch"}
        return [found[epoch] for epoch in sorted(found)]

    def write_result(self, run: str, result: Mapping[str, Any]) -> None:
        """Declares a run trained. An earlier failure is forgotten."""
        body = {"schema": SCHEMA, **result}
        write_json(self.run_folder(run) / "result.json", {**body, "checksum": digest(body)})
        (self.run_folder(run) / "failure.json").unlink(missing_ok=True)

    def result(self, run: str) -> dict[str, Any] | None:
        """The result of a trained run, or None; one that fails its checksum is set aside, so the run trains again."""
        return read_checked(self.run_folder(run) / "result.json")

    def outcome(self, run: str) -> dict[str, Any] | None:
        """The result without its configuration, by way of the index: for many runs."""
        return _parsed(self._outcome(run))

    def _outcome(self, run: str) -> str | None:
        return self._index.look(
            _checked(run), "result.json", lambda: self.result(run), lambda result: without("config", result)
        )

    def write_failure(self, run: str, failure: Mapping[str, Any]) -> None:
        write_json(self.run_folder(run) / "failure.json", {"schema": SCHEMA, **failure})

    def failure(self, run: str) -> dict[str, Any] | None:
        """Why the run failed, or None; where the record is broken, only that it failed is known."""
        text = self._index.look(_checked(run), "failure.json", lambda: self._failure(run), lambda failure: failure)
        return _parsed(text)

    def _failure(self, run: str) -> dict[str, Any] | None:
        try:
            return read_json(self.run_folder(run) / "failure.json")
        except BrokenError:
            return {"error": "failed; why is not known, for failure.json is broken", "reason": "unknown"}

    def clear_failure(self, run: str) -> None:
        (self.run_folder(run) / "failure.json").unlink(missing_ok=True)

    def cancel(self, run: str) -> None:
        """Leaves the mark by which nobody begins the run, and whoever works at it stops."""
        write_json(self.run_folder(run) / CANCELLED, {"schema": SCHEMA, "time": time.time()})

    def cancelled(self, run: str) -> bool:
        return (self.run_folder(run) / CANCELLED).is_file()

    def clear_cancelled(self, run: str) -> None:
        (self.run_folder(run) / CANCELLED).unlink(missing_ok=True)

    def supersede(self, run: str) -> Path:
        """Moves all that a trained run left, but its leases, to ``superseded/<run>/<n>/``, which nothing reads.

        The caller holds the lease. The order is one in which a crash leaves nothing to be taken for what it is not:
        evaluations go before the result that they are of, and no checkpoint is there to go on from.
        """
        folder = self.run_folder(run)
        for left in self.checkpoint_folder(run).glob("training.*"):
            left.unlink()
        aside = self.root / "superseded" / folder.name
        before = [int(path.name) for path in aside.iterdir() if path.name.isdecimal()] if aside.is_dir() else []
        kept = aside / str(max(before, default=0) + 1)
        kept.mkdir(parents=True)
        first = [self.evaluation_folder(run), folder / "result.json"]
        rest = sorted(path for path in folder.iterdir() if path not in first and not path.name.startswith("lease."))
        for path in [*first, *rest]:
            if path.exists():
                path.replace(kept / path.name)
        return kept

    def log_path(self, run: str) -> Path:
        return self.run_folder(run) / "log.txt"

    def clear_checkpoint(self, run: str) -> None:
        shutil.rmtree(self.checkpoint_folder(run), ignore_errors=True)

    def state(self, run: str, evaluations: Iterable[str]) -> str:
        """``done`` (trained, and every one of these evaluations there), ``cancelled``, ``failed``, ``to evaluate``,
        ``started`` or ``to train``. A failure of somebody else's evaluation does not undo what is done."""
        trained = self._outcome(run) is not None
        if trained and all(self._metrics(run, key, with_arrays=True) is not None for key in evaluations):
            return "done"
        if self.cancelled(run):
            return "cancelled"
        if self.failure(run) is not None:
            return "failed"
        if trained:
            return "to evaluate"
        return "started" if self.events(run) else "to train"

    # evaluations

    def evaluation_folder(self, run: str) -> Path:
        return self.run_folder(run) / "evaluations"

    def write_evaluation(
        self, run: str, evaluation: str, record: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
    ) -> None:
        """Keeps a record of metrics (JSON, checksummed, written last) and its arrays (safetensors)."""
        from safetensors.numpy import save

        folder, content = self.evaluation_folder(run), save(dict(arrays))
        write_bytes(folder / f"{_checked(evaluation)}.safetensors", content)
        each = {name: _short_sum(array) for name, array in arrays.items()}
        kept = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest(), "each": each}
        body = {"schema": SCHEMA, **record, "arrays": kept}
        write_json(folder / f"{evaluation}.json", {**body, "checksum": digest(body)})

    def evaluation(self, run: str, evaluation: str) -> dict[str, Any] | None:
        """The record, or None; one that is broken, or whose arrays are not of their size, is set aside."""
        path = self.evaluation_folder(run) / f"{_checked(evaluation)}.json"
        record = read_checked(path)
        if record is not None and "arrays" in record and _size(_arrays(path)) != record["arrays"]["bytes"]:
            set_aside(path)
            return None
        return record

    def metrics(self, run: str, evaluation: str) -> dict[str, float | None] | None:
        """The metrics of an evaluation by way of the index: for many runs."""
        return _parsed(self._metrics(run, evaluation))

    def _metrics(self, run: str, evaluation: str, *, with_arrays: bool = False) -> str | None:
        """JSON of the metrics, or None; ``with_arrays``: None too where the arrays have changed since they were seen to
        be as the record says."""
        file, seen = f"evaluations/{_checked(evaluation)}", list[dict[str, Any] | None]()

        def read() -> dict[str, Any] | None:
            """The record, looked at once; there is none where its arrays are not sound."""
            if not seen:
                seen.append(self.evaluation(run, evaluation))
            return seen[0]

        found = self._index.look(_checked(run), f"{file}.json", read, operator.itemgetter("metrics"))
        if found is None or not (seen or with_arrays):
            return found
        if self._index.look(run, f"{file}.safetensors", read, bool) is not None:
            return found
        # Arrays that are gone are no harm to a record of a version that did not count them.
        return None if read() is None else found

    def evaluation_arrays(self, run: str, evaluation: str) -> dict[str, np.ndarray]:
        """Raises StoreError where they do not match their record, which is set aside: running again makes both anew."""
        from safetensors import SafetensorError
        from safetensors.numpy import load

        path = self.evaluation_folder(run) / f"{_checked(evaluation)}.json"
        record = read_checked(path) or {}
        try:
            content = _arrays(path).read_bytes()
            if "arrays" not in record or hashlib.sha256(content).hexdigest() == record["arrays"]["sha256"]:
                return load(content)
            problem = "its checksum does not match"
        except (OSError, SafetensorError) as error:
            problem = str(error)
        set_aside(path)
        raise StoreError(f"{_arrays(path)}: is broken ({problem}); run the suite again to evaluate this run again")

    def some_arrays(self, run: str, evaluation: str, names: Iterable[str]) -> dict[str, np.ndarray]:
        """Those of the named arrays that are kept, the others unread; each is checked where its checksum is known,
        which older records have not. Raises StoreError as `evaluation_arrays` does."""
        return self._some_arrays(run, evaluation, names, self.evaluation(run, evaluation) or {})

    def _some_arrays(
        self, run: str, evaluation: str, names: Iterable[str], record: Mapping[str, Any]
    ) -> dict[str, np.ndarray]:
        from safetensors import SafetensorError, safe_open

        path = self.evaluation_folder(run) / f"{_checked(evaluation)}.json"
        sums = record.get("arrays", {}).get("each", {})
        try:
            with safe_open(_arrays(path), framework="np") as stored:
                there = set(stored.keys())
                found: dict[str, np.ndarray] = {name: stored.get_tensor(name) for name in names if name in there}
            if all(sums.get(name) in (None, _short_sum(array)) for name, array in found.items()):
                return found
            problem = "the checksum of an array does not match"
        except (OSError, SafetensorError) as error:
            problem = str(error)
        set_aside(path)
        raise StoreError(f"{_arrays(path)}: is broken ({problem}); run the suite again to evaluate this run again")

    def evaluation_with(
        self, run: str, evaluation: str, start: str
    ) -> tuple[dict[str, Any], dict[str, np.ndarray]] | None:
        """The record as `evaluation` has it, and its arrays whose names begin with ``start``, the others unread.

        Records of versions that kept no checksum of each array have none of them. Raises StoreError as
        `evaluation_arrays` does.
        """
        record = self.evaluation(run, evaluation)
        if record is None:
            return None
        wanted = [name for name in record.get("arrays", {}).get("each", {}) if name.startswith(start)]
        return record, self._some_arrays(run, evaluation, wanted, record) if wanted else {}

    def clear_evaluations(self, run: str) -> None:
        """Forgets all evaluations, which are those of weights that are about to be replaced."""
        shutil.rmtree(self.evaluation_folder(run), ignore_errors=True)

    def stamps(self, run: str, evaluations: Iterable[str]) -> dict[str, str]:
        """The stamps of a run's records: another one where a file has changed. A file that is not there has none."""
        tests = [f"evaluations/{_checked(evaluation)}.json" for evaluation in evaluations]
        files = ["result.json", "failure.json", CANCELLED, "events.jsonl", *tests]
        folder = f"{self.root}/runs/{_checked(run)}"
        return {file: stamp for file in files if (stamp := stamp_of(f"{folder}/{file}")) is not None}

    # suites

    def suite_folder(self, name: str) -> Path:
        return self.root / "suites" / _checked(name)

    def suite_names(self) -> list[str]:
        return [path.parent.name for path in sorted((self.root / "suites").glob("*/plan.json"))]

    def write_plan(self, name: str, plan: Mapping[str, Any]) -> None:
        write_bytes(self.suite_folder(name) / "plan.json", plan_text(plan).encode())

    def plan(self, name: str) -> dict[str, Any]:
        path = self.suite_folder(name) / "plan.json"
        plan = read_json(path, PLAN_SCHEMA)
        if plan is None:
            names = self.suite_names()
            near = nearest(name, names)
            hint = f"; did you mean {near!r}?" if near else ""
            known = ", ".join(names) or "none"
            raise StoreError(f"{self.root}: no suite called {name!r} has run here{hint} (known: {known})")
        try:
            return whole_plan(plan)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise StoreError(f"{path}: cannot be read: {error}") from None

    def write_mirrored(self, name: str, state: Mapping[str, Any]) -> None:
        """Remembers in which state a suite was mirrored to the embedded tracker."""
        write_json(self.suite_folder(name) / "mirrored.json", state)

    def mirrored(self, name: str) -> dict[str, Any] | None:
        try:
            return read_json(self.suite_folder(name) / "mirrored.json")
        except StoreError:
            return None  # torn: as if it were not there

    def write_imported(self, name: str, record: Mapping[str, Any]) -> None:
        """Remembers which runs of a suite were read from an export and not trained here."""
        write_json(self.suite_folder(name) / "imported.json", record)

    def imported(self, name: str) -> dict[str, Any] | None:
        return read_json(self.suite_folder(name) / "imported.json")

    # whom pairs show

    def write_people(self, protocol: str, content: bytes) -> None:
        """Keeps whom the pairs of a protocol show (see `bench.report.people`), for where its images are not."""
        write_bytes(self._people(protocol), content)

    def people(self, protocol: str) -> bytes | None:
        try:
            return self._people(protocol).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreError(f"{self._people(protocol)}: cannot be read: {error.strerror or error}") from None

    def _people(self, protocol: str) -> Path:
        return self.root / "people" / f"{_checked(protocol)}.safetensors"

    # searches

    def write_search(self, name: str, record: Mapping[str, Any]) -> None:
        """What a search of the suite tried and found, whole or not at all."""
        write_json(self.suite_folder(name) / "search.json", record)

    def search(self, name: str) -> dict[str, Any] | None:
        """What was tried and found, or None for a suite that was not searched."""
        path = self.suite_folder(name) / "search.json"
        if not path.is_file():
            return None
        try:
            return read_json(path, SEARCH_SCHEMA)
        except ValueError as error:
            raise StoreError(f"{path}: cannot be read ({error}); `bench search` writes it anew") from None

    def write_toy(self, key: str, record: Mapping[str, Any]) -> None:
        """What a toy network of this configuration learnt: ``results/toys/<key>.json``, for every suite alike."""
        body = {"schema": SCHEMA, **record}
        write_json(self.root / "toys" / f"{_checked(key)}.json", {**body, "checksum": digest(body)})

    def toy(self, key: str) -> dict[str, Any] | None:
        """The record, or None; one that is broken is set aside."""
        return read_checked(self.root / "toys" / f"{_checked(key)}.json")

    def plans(self) -> Iterator[dict[str, Any]]:
        return (self.plan(name) for name in self.suite_names())


def _checked(name: str) -> str:
    if not _SAFE.match(name) or ".." in name:
        raise StoreError(f"not a safe name for a folder or file: {name!r}")
    return name


def _parsed(text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    from pydantic_core import from_json  # reads numbers four times as fast as json, to the same bits

    value: dict[str, Any] = from_json(text)
    return value


def _short_sum(array: np.ndarray) -> str:
    return hashlib.sha256(array.tobytes()).hexdigest()[:16]


def _arrays(record: Path) -> Path:
    return record.with_suffix(".safetensors")


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
