"""The parts of a suite's page, in their order; each is made by a macro of ``sections.html.j2``, which escapes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from markupsafe import Markup

from bench.catalog.metrics import metric
from bench.report.labels import axis_label, protocol_label
from bench.report.page import DrawnFigure, Section, data_uri, link, templates
from bench.report.provenance import facts, provenance
from bench.report.results import DONE, ReportData
from bench.report.summary import Summary, cell_names

Cell = tuple[str, str | None]
"""What a table's cell shows, and for a number its plain value ("" where there is none)."""


def page_sections(
    data: ReportData,
    summary: Summary,
    table: Markup,
    figures: Sequence[DrawnFigure],
    downloads: Mapping[str, bytes],
    *,
    published: Markup | None = None,
    search: Markup | None = None,
) -> list[Section]:
    """``downloads``: path below the report's folder → content, for every table; ``published``, ``search``: tables
    of those parts, which are left out where they are None."""
    macros: Any = templates().get_template("sections.html.j2").module
    suite = data.plan["suite"]
    commands = [data.plan["command"], f"python -m bench report {suite}"]
    lost = data.frame[data.frame["status"] != DONE]
    found: list[tuple[str, str, Markup | None]] = [
        ("summary", "Summary", macros.summary(summary)),
        ("results", "Results", macros.wide(table, "Results")),
        ("published", "As published", published and macros.wide(published, "As published")),
        ("search", "Search", search and macros.wide(search, "Search")),
        ("figures", "Figures", macros.figures([_figure(figure, suite) for figure in figures])),
        ("runs", "Runs", macros.runs(*_runs(data))),
        ("unfinished", "Runs without a result", macros.unfinished(_unfinished(data, lost)) if len(lost) else None),
        ("provenance", "Where these numbers come from", macros.provenance(facts(provenance(data)))),
        ("reproduce", "To reproduce", macros.reproduce(commands)),
        ("downloads", "Downloads", macros.downloads(_files(downloads, suite))),
    ]
    return [Section(id, title, html) for id, title, html in found if html is not None]


def _figure(figure: DrawnFigure, suite: str) -> dict[str, Any]:
    name = figure.name
    others = {"pdf": figure.pdf, **({} if figure.csv is None else {"csv": figure.csv})}
    return {
        "id": f"figure-{name}",
        "summary": figure.summary,
        "png": data_uri("png", figure.png),
        "file": f"{suite}-{name}",
        "path": f"figures/{name}.png",
        "links": {kind: link(f"figures/{name}.{kind}", content) for kind, content in others.items()},
    }


def _runs(data: ReportData) -> tuple[list[tuple[str, bool]], list[dict[str, Any]]]:
    """Headings (text, whether numbers are below), and a row a planned run, in the order of the plan."""
    first = data.plan["report"]["metrics"][:1]
    columns = [(p, name) for p in data.plan["protocols"] for name in first if f"{p}.{name}" in data.frame]
    axes = list(data.plan["axes"]) or ["margin"]
    head = [("run", False), *((axis_label(axis), _numeric(data.frame[axis])) for axis in axes), ("seed", True),
            ("status", False), ("loss", True),
            *((f"{protocol_label(p)} {metric(name).heading}", True) for p, name in columns)]  # fmt: skip
    digits = int(data.plan["report"]["digits"])
    scaled = [(data.frame[f"{p}.{name}"] * metric(name).scale).tolist() for p, name in columns]
    found = data.frame[list(dict.fromkeys(["run", *axes, "seed", "status", "loss"]))]
    rows: list[dict[str, Any]] = []
    for at, row in enumerate(found.to_dict("records")):
        cells = [_label(row[axis], numeric) for axis, (_, numeric) in zip(axes, head[1:], strict=False)]
        numbers = [_shown(row["loss"], 4), *(_shown(values[at], digits) for values in scaled)]
        rows.append({**{name: row[name] for name in ("run", "seed", "status")}, "cells": cells, "numbers": numbers})
    return head, rows


def _numeric(labels: pd.Series[Any]) -> bool:
    return bool(pd.to_numeric(labels.dropna(), errors="coerce").notna().all())


def _label(value: object, numeric: bool) -> Cell:
    """An axis's label; a run of a part of the grid without that axis has none."""
    text = str(value) if isinstance(value, str) else ""
    return text or "–", text if numeric else None


def _shown(value: float, digits: int) -> Cell:
    return ("–", "") if pd.isna(value) else (f"{value:.{digits}f}", f"{value:.6f}")


def _unfinished(data: ReportData, lost: pd.DataFrame) -> list[dict[str, Any]]:
    names = cell_names(data.frame, data.plan["axes"])
    return [
        {**{name: row[name] for name in ("run", "seed", "status", "error")}, "cell": names[row["cell"]]}
        for row in lost.to_dict("records")
    ]


def _files(downloads: Mapping[str, bytes], suite: str) -> list[dict[str, Any]]:
    return [
        {"name": path, "file": f"{suite}-{path.replace('/', '-')}", "link": link(path, content), "bytes": len(content)}
        for path, content in downloads.items()
    ]
