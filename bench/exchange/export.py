"""A suite's results as one file: enough to check its numbers without training anything."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bench.data.cache import cache_root
from bench.errors import DataError
from bench.exchange.archive import ALLOWED, Content, write_archive
from bench.exchange.slim import slim_evaluation
from bench.report.people import people_bytes, people_of
from bench.report.private import all_public, public_plan
from bench.report.provenance import provenance
from bench.report.results import report_data
from bench.store import Store
from bench.store_plan import plan_text

_SHOWN = (".md", ".tex", ".csv", ".json", ".png", ".pdf")
_LEFT_OUT = ("drawn.json",)
README = """\
An export of a suite of face-margin-bench: plan, results, scores, tables and figures.

`bench import FILE` checks every hash and reads it into a results folder; `bench report SUITE` then makes the same
tables, and `bench compare` compares rows. Without the program: report/table.csv is the table, report/table.json says
which runs each entry comes from, runs/*/evaluations/*.json hold the metrics and *.safetensors the scores of every pair.
Absolute paths are cut to their last part. Logs and the page, which may hold some, are left out.
"""


@dataclass(frozen=True)
class Exported:
    """``bytes``: size of the file; ``members``: how many; ``manifest``: its sha256, which names the whole export."""

    path: Path
    runs: int
    members: int
    bytes: int
    manifest: str
    notes: tuple[str, ...]


def export(
    store: Store, suite: str, path: Path, *, scores: bool = True, embeddings: bool = False, weights: bool = False,
    force: bool = False, cache: Path | None = None,
) -> Exported:  # fmt: skip
    """Writes a suite's export. Its report should have been written before: what is there of it is taken along.

    ``scores``: the scores of all pairs and whom the pairs show; ``embeddings``: those of templates and of training
    images; ``weights``: of backbone and head. Equal results give an equal file. Raises StoreError for an unknown suite,
    ExchangeError where the file cannot be written.
    """
    data = report_data(store, suite)
    plan = data.plan
    members: dict[str, Content] = {
        "README.txt": README.encode,
        "plan.json": lambda: plan_text(public_plan(dict(plan))).encode(),
        "environment.json": lambda: _json(provenance(data)),
    }
    notes: list[str] = []
    if "source" in plan:
        members["suite.yaml"] = lambda: suite_yaml(plan)
    else:
        notes.append("the plan was written by an older version and does not hold the suite, so there is no suite.yaml")
    if data.search is not None:
        members["search.json"] = partial(_public_json, data.search)
    runs = list(dict.fromkeys(run["run"] for run in plan["runs"]))
    for run in runs:
        members |= _of_run(store, run, _planned(plan, run), scores, embeddings, weights)
    if scores:
        members |= _people(store, plan, cache or cache_root(), notes)
    members |= _of_report(store.suite_folder(suite) / "report")
    about = {
        "suite": suite,
        "digest": plan["digest"],
        "runs": len(runs),
        "holds": {"scores": scores, "embeddings": embeddings, "weights": weights},
    }
    manifest = write_archive(path, members, about, force=force)
    return Exported(path, len(runs), len(members) + 1, path.stat().st_size, manifest, tuple(notes))


def suite_yaml(plan: Mapping[str, Any]) -> bytes:
    """The suite file that a plan was made from, with its overrides in place and without comments."""
    import yaml

    head = f"# {plan['suite']}, as it was planned; digest {plan['digest']}\n"
    return (head + yaml.safe_dump(all_public(json.loads(plan["source"])), sort_keys=False, allow_unicode=True)).encode()


def _planned(plan: Mapping[str, Any], run: str) -> set[str]:
    return {key for each in plan["runs"] if each["run"] == run for key in each["evaluations"].values()}


def _of_run(
    store: Store, run: str, evaluations: set[str], scores: bool, embeddings: bool, weights: bool
) -> dict[str, Content]:
    """What a run left, evaluations of other suites aside."""
    found: dict[str, Content] = {}
    trained = store.result(run) is not None  # sound, or set aside now
    if not trained and store.failure(run) is None and not store.cancelled(run):
        return {}  # begun or not: there is nothing yet that a table counts
    for name, path in store.files(run).items():
        at = f"runs/{run}/{name}"
        if name == "config.json":
            found[at] = lambda: _json(store.config(run) or {})
        elif name == "failure.json":
            found[at] = lambda: _public_json(_without_traceback(store.failure(run) or {}))
        elif name == "events.jsonl":
            found[at] = lambda: _events(store.events(run))
        elif name.startswith("checkpoint/"):
            found |= {at: path.read_bytes} if weights and trained else {}
        elif not name.startswith("evaluations/"):
            found[at] = path.read_bytes
    for key in sorted(evaluations) if trained else ():
        record = store.evaluation(run, key)
        if record is None:
            continue
        kept = partial(slim_evaluation, store, run, key, scores=scores, embeddings=embeddings)
        found[f"runs/{run}/evaluations/{key}.json"] = lambda kept=kept: kept()[0]  # type: ignore[misc]
        if "arrays" in record:
            found[f"runs/{run}/evaluations/{key}.safetensors"] = lambda kept=kept: kept()[1]  # type: ignore[misc]
    return found


def _people(store: Store, plan: Mapping[str, Any], cache: Path, notes: list[str]) -> dict[str, Content]:
    found: dict[str, Content] = {}
    for protocol in sorted({digest for run in plan["runs"] for digest in run.get("protocols", {}).values()}):
        try:
            content = people_bytes(people_of(store, protocol, cache))
        except DataError as error:
            notes.append(f"rows cannot be compared pair by pair from this export: {error}")
            continue
        found[f"people/{protocol}.safetensors"] = _always(content)
    return found


def _always(content: bytes) -> Callable[[], bytes]:
    return lambda: content


def _of_report(folder: Path) -> dict[str, Content]:
    files = [path for path in (*folder.glob("*"), *folder.glob("figures/*")) if path.is_file()]
    shown = [path for path in files if path.suffix in _SHOWN and path.name not in _LEFT_OUT]
    named = {f"report/{path.relative_to(folder).as_posix()}": path for path in shown}
    return {name: path.read_bytes for name, path in named.items() if ALLOWED.fullmatch(name)}


def _without_traceback(failure: Mapping[str, Any]) -> dict[str, Any]:
    """Why a run failed; where the code lay that failed is nobody's business."""
    return {key: value for key, value in failure.items() if key != "traceback"}


def _events(events: list[dict[str, Any]]) -> bytes:
    lines = [json.dumps(all_public(_without_traceback(event)), sort_keys=True, allow_nan=False) for event in events]
    return "".join(f"{line}\n" for line in lines).encode()


def _public_json(value: Mapping[str, Any]) -> bytes:
    return _json(all_public(dict(value)))


def _json(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, sort_keys=True, indent=1, allow_nan=False) + "\n").encode()
