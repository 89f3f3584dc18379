"""A table as Markdown, CSV, HTML and terminal text; as LaTeX in `bench.report.latex`."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING

from markupsafe import Markup, escape
from tabulate import tabulate

from bench.report.labels import signed
from bench.report.latex import latex_escape, to_latex
from bench.report.table import Column, Entry, Row, Table

if TYPE_CHECKING:
    from rich.table import Table as RichTable

__all__ = [
    "headings",
    "latex_escape",
    "markdown_escape",
    "to_csv",
    "to_html",
    "to_latex",
    "to_markdown",
    "to_rich",
    "to_text",
]

_MARKDOWN = str.maketrans({character: f"\\{character}" for character in "\\|*_`[]<>&~$"})


def markdown_escape(text: str) -> str:
    return " ".join(text.split()).translate(_MARKDOWN)


def headings(table: Table) -> list[str]:
    """Column headings: the axes, then each metric followed by its Δ where it has one, then n."""
    names = list(table.axes)
    for column in table.columns:
        names += [column.heading, "Δ"] if column.has_delta else [column.heading]
    return [*names, "n"]


def _cells(table: Table, row: Row) -> list[tuple[str, str]]:
    """(text, mark) of one row, in the order of the headings."""
    cells = [(label, "") for label in row.labels]
    for column, entry in zip(table.columns, row.entries, strict=True):
        cells.append((entry.text(column.digits, table.spread), entry.mark))
        if column.has_delta:
            cells.append((entry.delta_text(column.digits), ""))
    return [*cells, (row.n_text, "")]


def _numeric(table: Table) -> list[bool]:
    return [False] * len(table.axes) + [True] * (len(headings(table)) - len(table.axes))


def _group_title(table: Table, name: str) -> str:
    return f"{table.grouped_by}: {name}"


def to_markdown(table: Table) -> str:
    """Rows of a group stand under a row with its name."""
    wrap = {"": "{}", "best": "**{}**", "second": "<u>{}</u>"}
    rows = []
    for name, group in table.groups():
        if name:
            title = f"*{markdown_escape(_group_title(table, name))}*"
            rows.append([title] + [""] * (len(headings(table)) - 1))
        rows += [[wrap[mark].format(markdown_escape(text)) for text, mark in _cells(table, row)] for row in group]
    align = ["right" if numeric else "left" for numeric in _numeric(table)]
    head = [markdown_escape(name) for name in headings(table)]
    body = tabulate(rows, head, tablefmt="pipe", colalign=align, disable_numparse=True)
    notes = "\n".join(f"- {markdown_escape(note)}" for note in table.notes)
    return f"**{markdown_escape(table.title)}**\n\n{body}\n\n{notes}\n"


def to_csv(table: Table) -> str:
    """Plain numbers: the group and the axes, done, failed, cancelled (where any is), missing, then of every column
    mean, sd, half the interval, n, flag, and, where it is compared to baselines, delta, its interval, p after Holm and
    verdict ("significant", "not", or nothing where it was not tested).

    Shares are in %, deltas of them in percentage points. Holds no timing, so equal results give an equal file.
    """
    counts = ["done", "failed", *(["cancelled"] if any(row.cancelled for row in table.rows) else []), "missing"]
    head = [*([table.grouped_by] if table.grouped_by else []), *table.axes, *counts]
    for column in table.columns:
        compared = ("delta", "delta_low", "delta_high", "p_holm", "verdict") if column.has_delta else ()
        head += [f"{column.key}.{part}" for part in ("mean", "sd", "half", "n", "flag", *compared)]
    rows: list[list[str]] = []
    for row in table.rows:
        values = [*([row.group] if table.grouped_by else []), *row.labels, *(str(getattr(row, c)) for c in counts)]
        for column, entry in zip(table.columns, row.entries, strict=True):
            flag = {"": "", "†": "near ceiling", "‡": "near chance"}[entry.flag]
            values += [_number(entry.mean), _number(entry.sd), _number(entry.half), str(entry.n), flag]
            if column.has_delta:
                p = "" if entry.p_holm is None else f"{entry.p_holm:.4g}"
                values += [_number(entry.delta), _number(entry.low), _number(entry.high), p, entry.verdict]
        rows.append(values)
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([head, *rows])
    return text.getvalue()


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6f}"


def to_html(table: Table) -> Markup:
    """A ``<table class="sortable">`` and its notes; every text is escaped.

    Protocols span their columns in the first row of the head; the cells of the body hold their number as
    ``data-value``. A group of rows is a ``<tbody>`` whose first row is its heading.
    """
    over = [f'<th class="label" scope="col" rowspan="2">{escape(name)}</th>' for name in table.axes]
    under = []
    for name, group in groupby(table.columns, lambda column: column.group):
        columns = list(group)
        parts = [part for c in columns for part in ([c.style.heading, "Δ"] if c.has_delta else [c.style.heading])]
        over.append(f'<th class="group" scope="colgroup" colspan="{len(parts)}">{escape(name)}</th>')
        under += [f'<th class="number" scope="col">{escape(part)}</th>' for part in parts]
    over.append('<th class="number" scope="col" rowspan="2">n</th>')
    bodies = []
    for name, rows in table.groups():
        lines = [f"<tr>{''.join(_html_cells(table, row))}</tr>" for row in rows]
        if name:
            title = escape(_group_title(table, name))
            lines.insert(
                0, f'<tr><th class="group" scope="rowgroup" colspan="{len(headings(table))}">{title}</th></tr>'
            )
        bodies.append("<tbody>\n" + "\n".join(lines) + "\n</tbody>")
    notes = "".join(f"<li>{escape(note)}</li>" for note in table.notes)
    return Markup(
        f'<table class="sortable">\n<caption class="caption">{escape(table.title)}</caption>\n'
        f"<thead><tr>{''.join(over)}</tr>\n<tr>{''.join(under)}</tr></thead>\n" + "\n".join(bodies) + "\n</table>\n"
        f'<ul class="notes">{notes}</ul>'
    )


def _html_cells(table: Table, row: Row) -> list[str]:
    tag = {"": "{}", "best": "<strong>{}</strong>", "second": "<u>{}</u>"}
    cells = [f'<td class="label"{_value(_as_number(label))}>{escape(label)}</td>' for label in row.labels]
    for column, entry in zip(table.columns, row.entries, strict=True):
        text = tag[entry.mark].format(escape(entry.text(column.digits, table.spread)))
        cells.append(f'<td class="number" data-value="{_plain(entry.mean)}">{text}</td>')
        if column.has_delta:
            shown = escape(entry.delta_text(column.digits))
            title = f' title="{escape(_told(entry, column))}"' if entry.delta is not None else ""
            cells.append(f'<td class="number" data-value="{_plain(entry.delta)}"{title}>{shown}</td>')
    return [*cells, f'<td class="number" data-value="{row.done}">{escape(row.n_text)}</td>']


def _told(entry: Entry, column: Column) -> str:
    """In words, what a difference to the baseline is worth."""
    words = {"significant": "significant", "not": "not significant", "": "not tested"}[entry.verdict]
    p = "" if entry.p_holm is None else f", p = {entry.p_holm:.2g} after Holm"
    between = ""
    if entry.low is not None and entry.high is not None:
        between = f"; interval {signed(entry.low, column.digits)} to {signed(entry.high, column.digits)}"
    return f"{words}{p}{between}; {entry.method}"


def _as_number(label: str) -> float | None:
    try:
        return float(label)
    except ValueError:
        return None


def _value(number: float | None) -> str:
    return "" if number is None else f' data-value="{_plain(number)}"'


def _plain(value: float | None) -> str:
    return "" if value is None else f"{value:.10g}"


def to_rich(table: Table) -> RichTable:
    """For a terminal with colours; best bold, second underlined."""
    from rich.table import Table as RichTable
    from rich.text import Text

    style = {"": "", "best": "bold", "second": "underline"}
    rich = RichTable(title=Text(table.title), caption=Text("\n".join(table.notes), justify="left"))
    for name, numeric in zip(headings(table), _numeric(table), strict=True):
        rich.add_column(Text(name), justify="right" if numeric else "left")
    for name, rows in table.groups():
        if name:
            rich.add_section()
            rich.add_row(Text(_group_title(table, name), "italic"))
        for row in rows:
            rich.add_row(*(Text(text, style[mark]) for text, mark in _cells(table, row)))
    return rich


def to_text(table: Table, width: int | None = None) -> str:
    """For a plain terminal or a log: best marked ``¹``, second ``²``.

    ``width``: columns of the terminal; a wider table is written as several, each with the axes and as many protocols as
    fit (one at least). None: one table, however wide.
    """
    blocks = [_grid(part) for part in _parts(table, width)]
    told = "¹ best, ² second in its column."
    return "\n".join([table.title, "", "\n\n".join(blocks), "", told, *table.notes]) + "\n"


def _parts(table: Table, width: int | None) -> list[Table]:
    """The table, or parts of it side by side of which each is as wide as fits."""
    if width is None or _wide(table) <= width:
        return [table]
    spans = [len(list(group)) for _, group in groupby(table.columns, lambda column: column.group)]
    found: list[Table] = []
    start = stop = 0
    for span in spans:
        if stop > start and _wide(_between(table, start, stop + span)) > width:
            found.append(_between(table, start, stop))
            start = stop
        stop += span
    return [*found, _between(table, start, stop)]


def _between(table: Table, start: int, stop: int) -> Table:
    rows = tuple(replace(row, entries=row.entries[start:stop]) for row in table.rows)
    return replace(table, columns=table.columns[start:stop], rows=rows)


def _wide(table: Table) -> int:
    return max(map(len, _grid(table).splitlines()))


def _grid(table: Table) -> str:
    suffix = {"": "", "best": " ¹", "second": " ²"}
    names = list(table.axes)
    for name, columns in groupby(table.columns, lambda column: column.group):
        under = [part for c in columns for part in ([c.style.heading, "Δ"] if c.has_delta else [c.style.heading])]
        names += [f"{'' if i else name}\n{part}" for i, part in enumerate(under)]
    rows = []
    for name, group in table.groups():
        rows += [[_group_title(table, name)] + [""] * len(names)] if name else []
        rows += [[text + suffix[mark] for text, mark in _cells(table, row)] for row in group]
    align = ["right" if numeric else "left" for numeric in _numeric(table)]
    return tabulate(rows, [*names, "n"], tablefmt="simple", colalign=align, disable_numparse=True)
