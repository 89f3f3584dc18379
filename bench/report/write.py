"""Writes a suite's report and the index of all suites."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from bench.records import write_bytes
from bench.report import published, search_table
from bench.report.drawing import ENDINGS, drawing_figures, first_drawing
from bench.report.effects import METRIC, effects
from bench.report.flags import flag_of
from bench.report.page import count_runs, render_index, render_page
from bench.report.provenance import latex_foot, markdown_foot, provenance, stamp
from bench.report.results import load_results, report_data
from bench.report.run_records import run_records
from bench.report.sections import page_sections
from bench.report.summary import summarise
from bench.report.table import Table, build_table
from bench.report.table_json import provenance_json, table_json
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


def write_report(store: Store, name: str, *, refresh: int | None = None) -> ReportPaths:
    """Writes ``results/suites/<name>/report/``, each file whole or not at all; the page and the hashes last.

    ``refresh``: seconds after which the page loads itself again, for a suite that still trains. Equal results give
    equal files. Raises StoreError for an unknown suite or a folder that cannot be written.
    """
    folder = store.suite_folder(name) / "report"
    figures = folder / "figures"
    with first_drawing(store.plan(name), figures) as ready:
        data = report_data(store, name)
        table = build_table(data)
        with drawing_figures(data, figures, stamp(data), ready) as finished:
            found = provenance(data)
            apart = published.files_of(data)
            contents = {
                "table.md": (to_markdown(table) + markdown_foot(found)).encode(),
                "table.tex": (to_latex(table) + latex_foot(found)).encode(),
                "table.csv": to_csv(table).encode(),
                "table.json": table_json(data, table, found),
                "runs.csv": data.frame.to_csv(index=False, lineterminator="\n").encode(),
                **{path: content for path, content in apart.items() if content is not None},
            }
            protocols = data.plan["protocols"]
            flags = {(cell, p): flag_of(data, cell, p, METRIC) for cell in data.done["cell"] for p in protocols}
            summary = summarise(data.frame, data.plan, effects(data), data.search, flags)
            records = run_records(data)
            drawn = finished()
    data = replace(data, plan={**data.plan, "warnings": [*data.plan["warnings"], *drawn.warnings]})
    sections = page_sections(
        data, summary, to_html(table), drawn.figures, contents,
        published=published.to_html(data), search=search_table.to_html(data),
    )  # fmt: skip
    page = render_page(data.plan, count_runs(data.frame), sections, records, refresh)
    contents["report.html"] = page.encode()
    for path, content in contents.items():
        write_bytes(folder / path, content)
    for path in apart.keys() - contents.keys():
        (folder / path).unlink(missing_ok=True)
    pictures = [f"figures/{figure.name}.{ending}" for figure in drawn.figures for ending in ENDINGS]
    everything = {**contents, **{path: (folder / path).read_bytes() for path in pictures}}
    contents["provenance.json"] = provenance_json(found, everything)
    write_bytes(folder / "provenance.json", contents["provenance.json"])
    files = tuple(folder / path for path in (*contents, *pictures))
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
