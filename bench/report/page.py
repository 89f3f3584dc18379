"""The pages: one self-contained file a suite, and an index over all suites."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from bench.report.labels import axis_label
from bench.report.results import CANCELLED, DONE, FAILED, MISSING, ReportData, execution_classes


@dataclass(frozen=True)
class DrawnFigure:
    """A figure as files: its registered name and summary, PNG and PDF bytes, and as CSV what it shows."""

    name: str
    summary: str
    png: bytes
    pdf: bytes
    csv: bytes | None = None

    @property
    def base64(self) -> str:
        return base64.b64encode(self.png).decode()


def render_page(data: ReportData, table: Markup, figures: Sequence[DrawnFigure]) -> str:
    """The suite's page: no request leaves it, and every text from a file is escaped."""
    classes = execution_classes(data.frame)
    page = _template("page.html.j2").render(
        title=data.plan["title"] or data.plan["suite"],
        plan=data.plan,
        counts=count_runs(data.frame),
        warnings=data.plan["warnings"],
        table=table,
        unfinished=_unfinished(data),
        figures=figures,
        provenance=_provenance(data, classes),
        commands=[data.plan["command"], f"python -m bench report {data.plan['suite']}"],
    )
    return str(page)


def render_index(suites: Sequence[Mapping[str, Any]]) -> str:
    """The index: each suite's name, title, counts as of ``count_runs``, and ``reported`` (it has a page)."""
    return str(_template("index.html.j2").render(suites=suites))


def count_runs(frame: pd.DataFrame) -> dict[str, int]:
    return {"planned": len(frame), **{s: int((frame["status"] == s).sum()) for s in (DONE, FAILED, CANCELLED, MISSING)}}


def _template(name: str) -> Template:
    loader = PackageLoader("bench.report", "")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined).get_template(name)


def _unfinished(data: ReportData) -> list[dict[str, Any]]:
    lost = data.frame[data.frame["status"] != DONE]
    return [
        {
            **{name: row[name] for name in ("run", "seed", "status", "error")},
            "cell": ", ".join(f"{axis_label(axis)} {row[axis]}" for axis in data.plan["axes"]) or row["margin"],
        }
        for _, row in lost.iterrows()
    ]


def _provenance(data: ReportData, classes: Sequence[str]) -> dict[str, list[str]]:
    """What the runs recorded about themselves, each fact once with all its values."""
    found: dict[str, dict[str, None]] = {}
    for run in data.done["run"]:
        result = data.store.outcome(run) or {}
        for name, value in {**result.get("environment", {}), **result.get("execution_class", {})}.items():
            found.setdefault(name, {})[str(value)] = None
    digests = sorted({str(run["config"]["train"]["digest"]) for run in data.plan["runs"] if "train" in run["config"]})
    return {
        "suite file": [f"{data.plan['file']} (digest {data.plan['digest']})"],
        "training data digest": digests or ["not recorded"],
        **{name: list(values) for name, values in sorted(found.items())},
        "execution classes": list(classes) or ["none yet"],
    }
