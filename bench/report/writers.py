"""A table as Markdown, LaTeX, CSV, HTML and terminal text."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from markupsafe import Markup, escape
from tabulate import tabulate

from bench.report.table import Row, Table

if TYPE_CHECKING:
    from rich.table import Table as RichTable

_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "λ": r"$\lambda$", "Δ": r"$\Delta$", "±": r"$\pm$",
    "°": r"$^\circ$", "−": r"$-$", "–": "--", "⌊": r"$\lfloor$", "⌋": r"$\rfloor$", "·": r"$\cdot$", "…": r"\dots{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "θ": r"$\theta$", "ψ": r"$\psi$", "φ": r"$\varphi$", "γ": r"$\gamma$",
    "×": r"$\times$",
}  # fmt: skip
_MARKDOWN = str.maketrans({character: f"\\{character}" for character in "\\|*_`[]<>"})


def latex_escape(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in " ".join(text.split()))


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
        cells.append((entry.text(table.digits), entry.mark))
        if column.has_delta:
            cells.append((entry.delta_text(table.digits), ""))
    return [*cells, (row.n_text, "")]


def _numeric(table: Table) -> list[bool]:
    return [False] * len(table.axes) + [True] * (len(headings(table)) - len(table.axes))


def to_markdown(table: Table) -> str:
    wrap = {"": "{}", "best": "**{}**", "second": "<u>{}</u>"}
    rows = [[wrap[mark].format(markdown_escape(text)) for text, mark in _cells(table, row)] for row in table.rows]
    align = ["right" if numeric else "left" for numeric in _numeric(table)]
    head = [markdown_escape(name) for name in headings(table)]
    body = tabulate(rows, head, tablefmt="pipe", colalign=align, disable_numparse=True)
    notes = "\n".join(f"- {markdown_escape(note)}" for note in table.notes)
    return f"**{markdown_escape(table.title)}**\n\n{body}\n\n{notes}\n"


def to_latex(table: Table) -> str:
    """A ``table`` float with booktabs rules; the preamble needs booktabs and graphicx."""
    wrap = {"": "%s", "best": r"\textbf{%s}", "second": r"\underline{%s}"}
    rows = [
        " & ".join(wrap[mark] % latex_escape(text) for text, mark in _cells(table, row)) + r" \\" for row in table.rows
    ]
    head = " & ".join(latex_escape(name) for name in headings(table)) + r" \\"
    spec = "".join("r" if numeric else "l" for numeric in _numeric(table))
    notes = r" \\ ".join(latex_escape(note) for note in table.notes)
    return "\n".join(
        [
            "% needs \\usepackage{booktabs,graphicx}",
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{latex_escape(table.title)}}}",
            r"\resizebox{\linewidth}{!}{%",
            rf"\begin{{tabular}}{{{spec}}}",
            r"\toprule",
            head,
            r"\midrule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}}",
            rf"\par\smallskip\parbox{{\linewidth}}{{\footnotesize {notes}}}",
            r"\end{table}",
            "",
        ]
    )


def to_csv(table: Table) -> str:
    """Plain numbers: the axes, done, failed, cancelled (where any is), missing, then of every column mean, sd, n and
    (for accuracy) delta.

    Shares are in %, deltas in percentage points. Holds no timing, so equal results give an equal file.
    """
    counts = ["done", "failed", *(["cancelled"] if any(row.cancelled for row in table.rows) else []), "missing"]
    head = [*table.axes, *counts]
    for column in table.columns:
        head += [f"{column.key}.{part}" for part in ("mean", "sd", "n", *(["delta"] if column.has_delta else []))]
    rows: list[list[str]] = []
    for row in table.rows:
        values = [*row.labels, *(str(getattr(row, count)) for count in counts)]
        for column, entry in zip(table.columns, row.entries, strict=True):
            values += [_number(entry.mean), _number(entry.sd), str(entry.n)]
            values += [_number(entry.delta)] if column.has_delta else []
        rows.append(values)
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([head, *rows])
    return text.getvalue()


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6f}"


def to_html(table: Table) -> Markup:
    """A ``<table>`` and its notes; every text is escaped."""
    tag = {"": "{}", "best": "<strong>{}</strong>", "second": "<u>{}</u>"}
    classes = ['class="number"' if numeric else 'class="label"' for numeric in _numeric(table)]
    head = _html_row("th", classes, [str(escape(name)) for name in headings(table)])
    rows = [
        _html_row("td", classes, [tag[mark].format(escape(text)) for text, mark in _cells(table, row)])
        for row in table.rows
    ]
    notes = "".join(f"<li>{escape(note)}</li>" for note in table.notes)
    body = "\n".join(rows)
    return Markup(
        f'<p class="caption">{escape(table.title)}</p>\n<table>\n'
        f"<thead>{head}</thead>\n<tbody>\n{body}\n</tbody></table>\n"
        f'<ul class="notes">{notes}</ul>'
    )


def _html_row(tag: str, classes: Sequence[str], cells: Sequence[str]) -> str:
    joined = "".join(f"<{tag} {kind}>{cell}</{tag}>" for kind, cell in zip(classes, cells, strict=True))
    return f"<tr>{joined}</tr>"


def to_rich(table: Table) -> RichTable:
    """For a terminal with colours; best bold, second underlined."""
    from rich.table import Table as RichTable
    from rich.text import Text

    style = {"": "", "best": "bold", "second": "underline"}
    rich = RichTable(title=Text(table.title), caption=Text("\n".join(table.notes), justify="left"))
    for name, numeric in zip(headings(table), _numeric(table), strict=True):
        rich.add_column(Text(name), justify="right" if numeric else "left")
    for row in table.rows:
        rich.add_row(*(Text(text, style[mark]) for text, mark in _cells(table, row)))
    return rich


def to_text(table: Table) -> str:
    """For a plain terminal or a log: best marked ``*``, second ``'``."""
    suffix = {"": "", "best": " *", "second": " '"}
    rows = [[text + suffix[mark] for text, mark in _cells(table, row)] for row in table.rows]
    align = ["right" if numeric else "left" for numeric in _numeric(table)]
    body = tabulate(rows, headings(table), tablefmt="simple", colalign=align, disable_numparse=True)
    return "\n".join([table.title, "", body, "", "* best, ' second in its column.", *table.notes]) + "\n"
