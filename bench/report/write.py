"""Writes a suite's report and the index of all suites."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from bench.records import write_bytes
from bench.report.drawing import ENDINGS, draw_figures
from bench.report.page import count_runs, render_index, render_page
from bench.report.results import load_results, report_data
from bench.report.table import Table, build_table
from bench.report.writers import to_csv, to_html, to_latex, to_markdown, to_text
from bench.store import Store


@dataclass(frozen=True)
class ReportPaths:
    """Where a report lies, its table, the table as plain text, and what could not be drawn."""

    folder: Path
    page: Path
    files: tuple[Path, ...]
    table: Table
    text: str
    warnings: tuple[str, ...] = ()


def write_report(store: Store, name: str) -> ReportPaths:
    """Writes ``results/suites/<name>/report/``, each file whole or not at all; the page last.

    Equal results give equal files. Raises StoreError for an unknown suite or a folder that cannot be written.
    """
    data = report_data(store, name)
    table = build_table(data)
    folder = store.suite_folder(name) / "report"
    drawn = draw_figures(data, folder / "figures")
    data = replace(data, plan={**data.plan, "warnings": [*data.plan["warnings"], *drawn.warnings]})
    html = to_html(table)
    contents = {
        "table.md": to_markdown(table).encode(),
        "table.tex": to_latex(table).encode(),
        "table.csv": to_csv(table).encode(),
        "report.html": render_page(data, html, drawn.figures).encode(),
    }
    for path, content in contents.items():
        write_bytes(folder / path, content)
    figures = [f"figures/{figure.name}.{ending}" for figure in drawn.figures for ending in ENDINGS]
    files = tuple(folder / path for path in (*contents, *figures))
    return ReportPaths(folder, folder / "report.html", files, table, to_text(table), tuple(drawn.warnings))


def write_index(store: Store) -> Path:
    """Writes ``results/suites/index.html``: every suite that has a plan, with a link to its page."""
    suites = [
        {
            "name": plan["suite"],
            "title": plan["title"],
            "reported": (store.suite_folder(plan["suite"]) / "report" / "report.html").is_file(),
            **count_runs(load_results(store, [plan["suite"]])),
        }
        for plan in store.plans()
    ]
    path = store.root / "suites" / "index.html"
    write_bytes(path, render_index(suites).encode())
    return path
