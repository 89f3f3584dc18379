"""The only code that reads or writes ``results/``. Every file is written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import StoreError
from bench.store_index import Index, stamp_of
from bench.store_plan import plan_text, whole_plan

if TYPE_CHECKING:
    import numpy as np

SCHEMA = 1
_SAFE = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,120}$")


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal values give equal text. NaN and infinity are refused."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)


def digest(value: Any) -> str:
    """The first 16 hex digits of the SHA-256 of a value's canonical JSON."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:16]


def write_bytes(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Writes a file whole or not at all, making its folders. Raises StoreError in one line.

    ``durable=False``: without waiting for the disk, for what means nothing after the power was gone.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except OSError as error:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        raise StoreError(f"{path}: cannot be written: {error.strerror or error}") from None


def write_json(path: Path, value: Mapping[str, Any], *, durable: bool = True) -> None:
    content = json.dumps(value, sort_keys=True, indent=1, allow_nan=False) + "\n"
    write_bytes(path, content.encode(), durable=durable)


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
        probe = self.root / ".writable"
        write_bytes(probe, b"")
        probe.unlink(missing_ok=True)

    # runs

    def run_folder(self, run: str) -> Path:
        return self.root / "runs" / _checked(run)

    def checkpoint_folder(self, run: str) -> Path:
        return self.run_folder(run) / "checkpoint"

    def run_ids(self) -> list[str]:
        runs = self.root / "runs"
        return sorted(p.name for p in runs.iterdir() if p.is_dir()) if runs.is_dir() else []

    def write_config(self, run: str, config: Mapping[str, Any]) -> None:
        write_json(self.run_folder(run) / "config.json", config)

    def config(self, run: str) -> dict[str, Any] | None:
        return _read_json(self.run_folder(run) / "config.json")

    def append_event(self, run: str, event: Mapping[str, Any]) -> None:
        """Adds one line to ``events.jsonl``; a line that a crash left half-written is ended first."""
        path = self.run_folder(run) / "events.jsonl"
        line = (json.dumps({"time": time.time(), **event}, sort_keys=True, allow_nan=False) + "\n").encode()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab+") as file:
                if file.tell():
                    file.seek(-1, os.SEEK_END)
                    line = line if file.read(1) == b"\n" else b"\n" + line
                file.write(line)
        except OSError as error:
            raise StoreError(f"{path}: cannot be written: {error.strerror or error}") from None

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
        return _read_checked(self.run_folder(run) / "result.json")

    def outcome(self, run: str) -> dict[str, Any] | None:
        """The result without its configuration, by way of the index: for many runs."""
        return _parsed(self._outcome(run))

    def _outcome(self, run: str) -> str | None:
        return self._index.look(
            _checked(run), "result.json", lambda: self.result(run), lambda result: _without("config", result)
        )

    def write_failure(self, run: str, failure: Mapping[str, Any]) -> None:
        write_json(self.run_folder(run) / "failure.json", {"schema": SCHEMA, **failure})

    def failure(self, run: str) -> dict[str, Any] | None:
        text = self._index.look(_checked(run), "failure.json", lambda: self._failure(run), lambda failure: failure)
        return _parsed(text)

    def _failure(self, run: str) -> dict[str, Any] | None:
        return _read_json(self.run_folder(run) / "failure.json")

    def clear_failure(self, run: str) -> None:
        (self.run_folder(run) / "failure.json").unlink(missing_ok=True)

    def log_path(self, run: str) -> Path:
        return self.run_folder(run) / "log.txt"

    def clear_checkpoint(self, run: str) -> None:
        shutil.rmtree(self.checkpoint_folder(run), ignore_errors=True)

    def state(self, run: str, evaluations: Iterable[str]) -> str:
        """``done`` (trained, and every one of these evaluations there), ``failed``, ``to evaluate``, ``started`` or
        ``to train``. A failure of somebody else's evaluation does not undo what is done."""
        trained = self._outcome(run) is not None
        if trained and all(self._metrics(run, key) is not None for key in evaluations):
            return "done"
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

        folder = self.evaluation_folder(run)
        write_bytes(folder / f"{_checked(evaluation)}.safetensors", save(dict(arrays)))
        body = {"schema": SCHEMA, **record}
        write_json(folder / f"{evaluation}.json", {**body, "checksum": digest(body)})

    def evaluation(self, run: str, evaluation: str) -> dict[str, Any] | None:
        return _read_checked(self.evaluation_folder(run) / f"{_checked(evaluation)}.json")

    def metrics(self, run: str, evaluation: str) -> dict[str, float | None] | None:
        """The metrics of an evaluation by way of the index: for many runs."""
        return _parsed(self._metrics(run, evaluation))

    def _metrics(self, run: str, evaluation: str) -> str | None:
        file = f"evaluations/{_checked(evaluation)}.json"
        return self._index.look(_checked(run), file, lambda: self.evaluation(run, evaluation), _metrics_of)

    def evaluation_arrays(self, run: str, evaluation: str) -> dict[str, np.ndarray]:
        from safetensors.numpy import load

        return load((self.evaluation_folder(run) / f"{_checked(evaluation)}.safetensors").read_bytes())

    def stamps(self, run: str, evaluations: Iterable[str]) -> dict[str, str]:
        """The stamps of a run's records: another one where a file has changed. A file that is not there has none."""
        tests = [f"evaluations/{_checked(evaluation)}.json" for evaluation in evaluations]
        files = ["result.json", "failure.json", "events.jsonl", *tests]
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
        plan = _read_json(path)
        if plan is None:
            known = ", ".join(self.suite_names()) or "none"
            raise StoreError(f"{self.root}: no suite called {name!r} has run here (known: {known})")
        try:
            return whole_plan(plan)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise StoreError(f"{path}: cannot be read: {error}") from None

    def write_mirrored(self, name: str, state: Mapping[str, Any]) -> None:
        """Remembers in which state a suite was mirrored to the embedded tracker."""
        write_json(self.suite_folder(name) / "mirrored.json", state)

    def mirrored(self, name: str) -> dict[str, Any] | None:
        try:
            return _read_json(self.suite_folder(name) / "mirrored.json")
        except StoreError:
            return None  # torn: as if it were not there

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


def _metrics_of(record: Mapping[str, Any]) -> Any:
    return record["metrics"]


def _without(key: str, value: Mapping[str, Any]) -> dict[str, Any]:
    return {name: inner for name, inner in value.items() if name != key}


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise StoreError(f"{path}: cannot be read: {error}") from None
    return value if isinstance(value, dict) else None


def _read_checked(path: Path) -> dict[str, Any] | None:
    """A checksummed record, or None; a broken one is renamed to ``*.broken`` so that it is made again."""
    try:
        value = json.loads(path.read_bytes())
        body = _without("checksum", value)
        if value["checksum"] == digest(body):
            return body
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (ValueError, KeyError, AttributeError, TypeError):
        pass
    path.replace(path.with_name(path.name + ".broken"))
    return None
