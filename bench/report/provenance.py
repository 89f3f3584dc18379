"""Where numbers come from, as the runs themselves recorded it: equal results give an equal record, whenever it is made.

Nothing here is looked up on the machine that writes the report: not its clock, its commit, nor its device.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from bench.records import canonical
from bench.report.private import public
from bench.report.results import CANCELLED, DONE, FAILED, MISSING, ReportData

SCHEMA = 1
_MACHINE = ("processor", "cores", "system")


def provenance(data: ReportData) -> dict[str, Any]:
    """What is behind a suite's report.

    ``suite``, ``file``, ``digest`` and ``command`` as planned; ``runs``: how many ended how; ``commits``: the harness's
    commit and whether its files were changed, with the number of runs; ``versions``: of each library all that were
    used; ``devices`` and ``machines`` with the number of runs; ``execution_classes``; ``data``: digests of training
    sets and protocols; ``semantics``; ``imported``: how many runs were read from an export and not trained here, or
    None. Paths are cut to their last part.
    """
    results = [result for run in _runs(data) if (result := data.store.outcome(run)) is not None]
    found = [result.get("environment", {}) for result in results]
    classes = [result.get("execution_class", {}) for result in results]
    configs = [run["config"] for run in data.plan["runs"]]
    return {
        "schema": SCHEMA,
        "suite": data.plan["suite"],
        "file": public(str(data.plan["file"])),
        "digest": data.plan["digest"],
        "command": public(str(data.plan["command"])),
        "runs": {
            "planned": len(data.frame),
            **{status: int((data.frame["status"] == status).sum()) for status in (DONE, FAILED, CANCELLED, MISSING)},
        },
        "commits": _counted({"commit": each.get("commit"), "dirty": each.get("dirty")} for each in found),
        "versions": _versions(found),
        "devices": _counted({"device": each.get("device")} for each in classes),
        "machines": _counted({key: each.get(key) for key in _MACHINE} for each in found),
        "execution_classes": _counted(classes),
        "data": {
            "train": _distinct(config.get("train", {}).get("digest") for config in configs),
            "protocols": _protocols(data),
        },
        "semantics": _distinct(config.get("semantics") for config in configs),
        "imported": _imported(data),
    }


def stamp(data: ReportData) -> dict[str, str]:
    """Metadata for a figure's file, by keys that PNG and PDF both know: the same words for the same results."""
    found = provenance(data)
    return {"Title": str(data.plan["title"] or data.plan["suite"]), "Subject": short(found), "Keywords": _data(found)}


def short(found: Mapping[str, Any]) -> str:
    """A record of `provenance` in one line, for the foot of a table."""
    runs, commits = found["runs"], [_commit(item) for item in found["commits"]]
    torch = found["versions"].get("torch", [])
    parts = [
        f"suite {found['suite']} ({found['digest']})",
        f"{runs[DONE]} of {runs['planned']} runs",
        f"commit {', '.join(commits) or 'none'}",
        f"torch {', '.join(torch) or 'not recorded'}",
        f"on {', '.join(str(item['device']) for item in found['devices']) or 'nothing yet'}",
        _data(found),
        f"command: {found['command']}",
    ]
    return " ".join("; ".join(parts).split())


def markdown_foot(found: Mapping[str, Any]) -> str:
    """The line below a table in Markdown, which readers of the rendered page do not see."""
    return f"\n<!-- provenance: {short(found).replace('--', '‐‐').replace('>', '›')} -->\n"


def latex_foot(found: Mapping[str, Any]) -> str:
    return f"% provenance: {short(found)}\n"


def facts(found: Mapping[str, Any]) -> dict[str, list[str]]:
    """A record of `provenance` for readers: each fact once, with all its values and how many runs each is of."""
    imported, data = found["imported"], found["data"]
    machines = (", ".join(f"{k} {item[k]}" for k in _MACHINE if item[k] is not None) for item in found["machines"])
    told = {
        "suite file": [f"{found['file']} (digest {found['digest']})"],
        "imported, not trained here": [f"{imported['runs']} of {imported['of']} runs"] if imported else [],
        "commit": [f"{_commit(item)} ({_count(item)})" for item in found["commits"]],
        "device": [f"{item['device']} ({_count(item)})" for item in found["devices"]],
        "machine": [text for text in machines if text],
        **found["versions"],
        "semantics version": [str(version) for version in found["semantics"]],
        "training data digest": data["train"],
        **{f"{name} digest": digests for name, digests in data["protocols"].items()},
        "execution class": [
            f"{canonical({k: v for k, v in item.items() if k != 'runs'})} ({_count(item)})"
            for item in found["execution_classes"]
        ],
    }
    return {name: values for name, values in told.items() if values}


def _count(item: Mapping[str, Any]) -> str:
    return f"{item['runs']} run{'s' * (item['runs'] != 1)}"


def _commit(item: Mapping[str, Any]) -> str:
    if item["commit"] is None:
        return "not recorded"
    return f"{item['commit']}{' with changed files' if item['dirty'] else ''}"


def _data(found: Mapping[str, Any]) -> str:
    train = ", ".join(digest[:12] for digest in found["data"]["train"]) or "not recorded"
    tests = (f"{name} {digest[:12]}" for name, all_of in found["data"]["protocols"].items() for digest in all_of)
    return f"data: training {train}" + "".join(f", {test}" for test in tests)


def _runs(data: ReportData) -> list[str]:
    return list(dict.fromkeys(data.frame["run"]))


def _counted(items: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Each distinct item with the number of runs it is of, the most frequent first."""
    texts = Counter(canonical(item) for item in items)
    return [{**json.loads(text), "runs": texts[text]} for text in sorted(texts, key=lambda text: (-texts[text], text))]


def _versions(environments: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Of each library that runs recorded all versions."""
    found: dict[str, set[str]] = {}
    for environment in environments:
        for name, version in environment.items():
            if name not in (*_MACHINE, "commit", "dirty") and version is not None:
                found.setdefault(name, set()).add(str(version))
    return {name: sorted(found[name]) for name in sorted(found)}


def _distinct(values: Iterable[Any]) -> list[Any]:
    return sorted({value for value in values if value is not None})


def _protocols(data: ReportData) -> dict[str, list[str]]:
    """Digests of each protocol, in the order of the table; plans of an older version do not have them."""
    found: dict[str, set[str]] = {}
    for run in data.plan["runs"]:
        for name, digest in run.get("protocols", {}).items():
            found.setdefault(name, set()).add(digest)
    return {name: sorted(found[name]) for name in data.plan["protocols"] if name in found}


def _imported(data: ReportData) -> dict[str, Any] | None:
    record = data.store.imported(data.plan["suite"])
    if record is None:
        return None
    here = set(_runs(data)) & set(record["runs"])
    return {"runs": len(here), "of": len(_runs(data)), "manifest": record["manifest"]}
