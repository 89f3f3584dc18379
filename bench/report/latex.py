"""Tables as LaTeX: every text escaped so that it prints as it is, whatever it is called."""

from __future__ import annotations

import unicodedata
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.report.table import Column, Row, Table

_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "λ": r"$\lambda$", "Δ": r"$\Delta$", "±": r"$\pm$",
    "°": r"$^\circ$", "−": r"$-$", "–": "--", "⌊": r"$\lfloor$", "⌋": r"$\rfloor$", "·": r"$\cdot$", "…": r"\dots{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "θ": r"$\theta$", "ψ": r"$\psi$", "φ": r"$\varphi$", "γ": r"$\gamma$",
    "×": r"$\times$", "′": r"$'$", "†": r"\dag{}", "‡": r"\ddag{}", "“": "``", "”": "''", "’": "'", "‘": "`",
    "[": "{[}", "]": "{]}", "*": "{*}", '"': "''", "|": r"\textbar{}", "—": "---", "≥": r"$\geq$",
    "≤": r"$\leq$", "α": r"$\alpha$", "σ": r"$\sigma$",
}  # fmt: skip
"""A line that begins with [ or * would be read as an option of the line break before it."""

_ACCENTS = (
    "\N{COMBINING GRAVE ACCENT}\N{COMBINING ACUTE ACCENT}\N{COMBINING CIRCUMFLEX ACCENT}\N{COMBINING TILDE}"
    "\N{COMBINING DIAERESIS}\N{COMBINING CARON}\N{COMBINING CEDILLA}\N{COMBINING RING ABOVE}"
)
_LETTERS = "ßæÆøØœŒłŁ"

PREAMBLE = ("booktabs", "graphicx")


def latex_escape(text: str) -> str:
    return "".join(_LATEX.get(character) or _plain(character) for character in " ".join(text.split()))


def _plain(character: str) -> str:
    """As it is where LaTeX's own fonts have it, else its code point, which every engine prints."""
    parts = unicodedata.normalize("NFD", character)
    accented = parts[0].isascii() and parts.isprintable() and all(part in _ACCENTS for part in parts[1:])
    if accented or character in _LETTERS:
        return character
    return rf"\texttt{{U+{ord(character):04X}}}"


def to_latex(table: Table) -> str:
    """A ``table`` float with booktabs rules; the preamble needs booktabs and graphicx."""
    spans = [(name, [len(_parts(c)) for c in group]) for name, group in groupby(table.columns, lambda c: c.group)]
    labels = len(table.axes)
    spec = "l" * labels + "r" * (sum(sum(widths) for _, widths in spans) + 1)
    over, rules, at = [""] * labels, [], labels + 1
    for name, widths in spans:
        over.append(rf"\multicolumn{{{sum(widths)}}}{{c}}{{{latex_escape(name)}}}")
        rules.append(rf"\cmidrule(lr){{{at}-{at + sum(widths) - 1}}}")
        at += sum(widths)
    head = [*table.axes, *(part for column in table.columns for part in _parts(column)), "n"]
    body = []
    for i, (name, rows) in enumerate(table.groups()):
        if name:
            title = latex_escape(f"{table.grouped_by}: {name}")
            body += [r"\midrule"] * (i > 0) + [rf"\multicolumn{{{len(spec)}}}{{l}}{{\textit{{{title}}}}} \\"]
        body += [_line(table, row) for row in rows]
    heads = [" & ".join([*over, ""]) + r" \\", "".join(rules), " & ".join(map(latex_escape, head)) + r" \\"]
    return wrapped(table.title, spec, heads, body, table.notes)


def wrapped(title: str, spec: str, head: list[str], body: list[str], notes: tuple[str, ...]) -> str:
    """The float around the lines of a table; ``title`` and ``notes`` as text, the lines as LaTeX."""
    told = r" \\ ".join(latex_escape(note) for note in notes)
    return "\n".join(
        [
            f"% needs \\usepackage{{{','.join(PREAMBLE)}}}",
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{latex_escape(title)}}}",
            r"\resizebox{\linewidth}{!}{%",
            rf"\begin{{tabular}}{{{spec}}}",
            r"\toprule",
            *(line for line in head if line),
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}}",
            rf"\par\smallskip\parbox{{\linewidth}}{{\footnotesize {told}}}",
            r"\end{table}",
            "",
        ]
    )


def _parts(column: Column) -> list[str]:
    return [column.style.heading, "Δ"] if column.has_delta else [column.style.heading]


def _line(table: Table, row: Row) -> str:
    wrap = {"": "%s", "best": r"\textbf{%s}", "second": r"\underline{%s}"}
    cells = [latex_escape(label) for label in row.labels]
    for column, entry in zip(table.columns, row.entries, strict=True):
        cells.append(wrap[entry.mark] % latex_escape(entry.text(column.digits, table.spread)))
        if column.has_delta:
            cells.append(latex_escape(entry.delta_text(column.digits)))
    return " & ".join([*cells, latex_escape(row.n_text)]) + r" \\"
