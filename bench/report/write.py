"""Writes a suite's report and the index of all suites."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path

from bench.catalog import FIGURES
from bench.records import digest, write_bytes, write_json
from bench.report.figures._plot import Drawing, style
from bench.report.page import DrawnFigure, count_runs, render_index, render_page
from bench.report.provenance import latex_foot, markdown_foot, provenance
from bench.report.results import ReportData, load_results, report_data
from bench.report.table import Table, build_table
from bench.report.table_json import provenance_json, table_json
from bench.report.writers import to_csv, to_html, to_latex, to_markdown, to_text
from bench.store import Store

PNG_DPI = 180


@dataclass(frozen=True)
class ReportPaths:
    """Where a report lies, its table, and the table as plain text."""

    folder: Path
    page: Path
    files: tuple[Path, ...]
    table: Table
    text: str


def write_report(store: Store, name: str) -> ReportPaths:
    """Writes ``results/suites/<name>/report/``, each file whole or not at all; the page last.

    Equal results give equal files. Raises StoreError for an unknown suite or a folder that cannot be written.
    """
    data = report_data(store, name)
    table = build_table(data)
    folder = store.suite_folder(name) / "report"
    figures = _figures(data, folder / "figures")
    html = to_html(table)
    found = provenance(data)
    contents = {
        "table.md": (to_markdown(table) + markdown_foot(found)).encode(),
        "table.tex": (to_latex(table) + latex_foot(found)).encode(),
        "table.csv": to_csv(table).encode(),
        "table.json": table_json(data, table, found),
        "report.html": render_page(data, html, figures).encode(),
    }
    for path, content in contents.items():
        write_bytes(folder / path, content)
    drawn = [f"figures/{figure.name}.{ending}" for figure in figures for ending in ("png", "pdf")]
    _remove_stale(folder / "figures", set(drawn))
    everything = {**contents, **{path: (folder / path).read_bytes() for path in drawn}}
    contents["provenance.json"] = provenance_json(found, everything)
    write_bytes(folder / "provenance.json", contents["provenance.json"])
    files = tuple(folder / path for path in (*contents, *drawn))
    return ReportPaths(folder, folder / "report.html", files, table, to_text(table))


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


def draw_figures(data: ReportData) -> list[DrawnFigure]:
    """Every registered figure that has something to draw, as PNG and PDF without dates or versions in them."""
    drawn = []
    with style():
        for spec in FIGURES:
            made = spec.function(data)
            if made is None:
                continue
            figure = made.figure if isinstance(made, Drawing) else made
            png, pdf = io.BytesIO(), io.BytesIO()
            figure.savefig(png, format="png", dpi=PNG_DPI, metadata={"Software": None})
            figure.savefig(pdf, format="pdf", metadata={"CreationDate": None, "Creator": None, "Producer": None})
            drawn.append(DrawnFigure(spec.name, spec.summary, png.getvalue(), pdf.getvalue()))
    return drawn


def _figures(data: ReportData, folder: Path) -> list[DrawnFigure]:
    """The figures, drawn only if what they show or the code that draws them has changed since they were written."""
    key = _key(data)
    try:
        record = json.loads((folder / "drawn.json").read_bytes())
        if record["key"] == key:
            return [
                DrawnFigure(
                    f["name"], f["summary"], *(_sound(folder / f"{f['name']}.{e}", f[e]) for e in ("png", "pdf"))
                )
                for f in record["figures"]
            ]
    except (OSError, ValueError, KeyError, TypeError):
        pass  # not drawn yet, or damaged: draw
    drawn = draw_figures(data)
    figures = [{"name": f.name, "summary": f.summary, "png": _sha256(f.png), "pdf": _sha256(f.pdf)} for f in drawn]
    for figure in drawn:
        write_bytes(folder / f"{figure.name}.png", figure.png)
        write_bytes(folder / f"{figure.name}.pdf", figure.pdf)
    write_json(folder / "drawn.json", {"key": key, "figures": figures})
    return drawn


def _key(data: ReportData) -> str:
    import matplotlib as mpl

    sources = sorted(Path(__file__).parent.rglob("*.py"))
    code = _sha256(b"".join(path.read_bytes() for path in sources))
    plan = {key: value for key, value in data.plan.items() if key != "command"}
    return digest([code, mpl.__version__, plan, data.frame.to_json(double_precision=15)])


def _sound(path: Path, sha256: str) -> bytes:
    content = path.read_bytes()
    if _sha256(content) != sha256:
        raise ValueError(f"{path} was changed")
    return content


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _remove_stale(folder: Path, current: set[str]) -> None:
    """Figures of an earlier report that this one does not have would be taken for its own."""
    for path in folder.glob("*.p[nd][gf]"):
        if f"figures/{path.name}" not in current:
            path.unlink()
