"""A page of a made-up suite without the time that drawing takes: its one figure is a square."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image

from bench.report.effects import effects
from bench.report.page import DrawnFigure, count_runs, render_page
from bench.report.results import report_data
from bench.report.run_records import run_records
from bench.report.sections import page_sections
from bench.report.summary import summarise
from bench.report.table import build_table
from bench.report.writers import to_csv, to_html
from bench.store import Store


def page_of(store: Store, name: str = "made_up", *, refresh: int | None = None, **parts: Any) -> str:
    data = report_data(store, name)
    table = build_table(data)
    summary = summarise(data.frame, data.plan, effects(data), data.search)
    html = parts.pop("table", None) or to_html(table)
    files = {"table.csv": to_csv(table).encode()}
    sections = page_sections(data, summary, html, [square()], files, **parts)
    return render_page(data.plan, count_runs(data.frame), sections, run_records(data), refresh)


def square() -> DrawnFigure:
    png = io.BytesIO()
    Image.new("RGB", (300, 200), (0, 90, 160)).save(png, "PNG")
    return DrawnFigure("square", "A square, for want of a <figure>", png.getvalue(), b"%PDF", b"x,y\n1,2\n")
