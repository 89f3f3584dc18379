"""What others published for the suite's losses, apart from what was measured here."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml
from markupsafe import Markup, escape
from tabulate import tabulate

from bench.catalog.facts import disagreements
from bench.report.labels import protocol_label
from bench.report.latex import latex_escape, wrapped
from bench.report.results import ReportData
from bench.report.table import report_block
from bench.report.writers import markdown_escape
from bench.suite.schema import PublishedBlock

NOT_MEASURED = "As published: printed by the sources named, not measured by this project."
DIFFERENT = (
    "Sources differ in training set, backbone, alignment, flip test and choice of checkpoint, so these numbers compare "
    "neither with the table above nor with each other; rows are not merged where they contradict each other."
)
INTRA = (
    "ArcFace's own Intra-Loss (Eq. 5 of arXiv 1801.07698) is another loss than IntraLoss (arXiv 2107.03352), of which "
    "no published number was found."
)
TITLE = "As published, not measured here (%)"
KINDS = {
    "original": "original paper", "official_repo": "authors' repository", "quoted": "quoted by another paper",
    "reimplementation": "reimplemented by others",
}  # fmt: skip
COLUMNS = {
    "lfw": "lfw", "ytf": "ytf", "cfp_fp": "cfp_fp", "agedb_30": "agedb_30",
    "ijbb_tar_1e4": "ijbb", "ijbc_tar_1e4": "ijbc",
}  # fmt: skip
"""Number of a row → the protocol that it is of."""


@dataclass(frozen=True)
class Published:
    """A row as its source prints it. ``values``: percentages by `COLUMNS`; texts are "" where the source is silent."""

    id: str
    method: str
    kind: str
    source: str
    values: Mapping[str, float]
    variant: str = ""
    hyper: str = ""
    train_set: str = ""
    backbone: str = ""
    source_table: str = ""
    source_url: str = ""
    note: str = ""


@cache
def published() -> tuple[Published, ...]:
    """Every row of the package's file, in its order."""
    return tuple(_row(given) for given in _file()["rows"])


@cache
def parts_of(method: str) -> frozenset[str]:
    """The margins and terms that a published method is called here; none for a loss that this package has not."""
    return frozenset(_file()["methods"].get(method, ()))


def rows(data: ReportData) -> tuple[Published, ...]:
    """The rows of the suite's margins and terms with a number of one of its protocols, as its ``published:`` asks."""
    asked = report_block(data.plan).published
    return chosen(published(), _parts(data), data.plan["protocols"], asked) if asked.show else ()


def chosen(
    found: Iterable[Published], parts: Iterable[str], protocols: Sequence[str], asked: PublishedBlock
) -> tuple[Published, ...]:
    return tuple(
        row
        for row in found
        if parts_of(row.method) & set(parts)
        and row.kind in asked.kinds
        and (not asked.train_sets or row.train_set in asked.train_sets)
        and any(COLUMNS[name] in protocols for name in row.values)
    )


def to_html(data: ReportData) -> Markup | None:
    """A ``<table class="sortable published">`` and its notes, every text escaped; None where there is nothing."""
    found = rows(data)
    if not found:
        return None
    names, marks = _columns(found, data), _marks(found)
    head = "".join(f'<th class="label" scope="col">{escape(name)}</th>' for name in _HEAD)
    head += "".join(f'<th class="number" scope="col">{escape(_heading(name))}</th>' for name in names)
    lines = []
    for row in found:
        texts = "".join(f'<td class="label">{escape(text)}</td>' for text in _texts(row))
        numbers = "".join(
            f'<td class="number" data-value="{_number(row, name)}">{_number(row, name)}</td>' for name in names
        )
        lines.append(f'<tr>{texts}{numbers}<td class="label">{marks[_source(row)]}</td></tr>')
    notes = "".join(f"<li>{escape(note)}</li>" for note in _notes(found, data))
    return Markup(
        f'<table class="sortable published">\n<caption class="caption">{escape(TITLE)}</caption>\n'
        f'<thead><tr>{head}<th class="label" scope="col">source</th></tr></thead>\n<tbody>\n'
        + "\n".join(lines)
        + f'\n</tbody></table>\n<ul class="notes">{notes}</ul>'
    )


def to_markdown(data: ReportData) -> str | None:
    found = rows(data)
    if not found:
        return None
    names, marks = _columns(found, data), _marks(found)
    head = [markdown_escape(name) for name in (*_HEAD, *map(_heading, names), "source")]
    body = [
        [markdown_escape(text) for text in (*_texts(row), *(_number(row, n) for n in names), marks[_source(row)])]
        for row in found
    ]
    align = ["left"] * len(_HEAD) + ["right"] * len(names) + ["left"]
    grid = tabulate(body, head, tablefmt="pipe", colalign=align, disable_numparse=True)
    notes = "\n".join(f"- {markdown_escape(note)}" for note in _notes(found, data))
    return f"**{markdown_escape(TITLE)}**\n\n{grid}\n\n{notes}\n"


def to_latex(data: ReportData) -> str | None:
    """A float of its own; the preamble needs what the table's does."""
    found = rows(data)
    if not found:
        return None
    names, marks = _columns(found, data), _marks(found)
    head = " & ".join(latex_escape(name) for name in (*_HEAD, *map(_heading, names), "source")) + r" \\"
    body = [
        " & ".join(
            latex_escape(text) for text in (*_texts(row), *(_number(row, n) for n in names), marks[_source(row)])
        )
        + r" \\"
        for row in found
    ]
    spec = "l" * len(_HEAD) + "r" * len(names) + "l"
    return wrapped(TITLE, spec, [head], body, _notes(found, data))


def to_csv(data: ReportData) -> str | None:
    """Every field of every row shown, as the package's file has it."""
    found = rows(data)
    if not found:
        return None
    texts = ("id", "method", "variant", "hyper", "train_set", "backbone", "kind")
    after = ("source", "source_table", "source_url", "note")
    names = _columns(found, data)
    lines = [
        [*(getattr(row, t) for t in texts), *(_number(row, n) for n in names), *(getattr(row, t) for t in after)]
        for row in found
    ]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([[*texts, *names, *after], *lines])
    return text.getvalue()


def files_of(data: ReportData) -> dict[str, bytes | None]:
    """File name → what it holds, or None where there is nothing to show."""
    made = {"md": to_markdown(data), "tex": to_latex(data), "csv": to_csv(data)}
    return {f"published.{end}": None if text is None else text.encode() for end, text in made.items()}


_HEAD = ("method", "as printed", "training set", "backbone", "stands in")


def _texts(row: Published) -> tuple[str, ...]:
    printed = ", ".join(text for text in (row.variant, row.hyper) if text)
    return row.method, printed, row.train_set or "not stated", row.backbone or "not stated", KINDS[row.kind]


def _source(row: Published) -> str:
    where = ", ".join(text for text in (row.source, row.source_table, row.source_url) if text)
    return f"{where} ({row.note})" if row.note else where


def _marks(found: Sequence[Published]) -> dict[str, str]:
    """Source → the number by which rows refer to it."""
    return {source: f"[{i}]" for i, source in enumerate(dict.fromkeys(map(_source, found)), start=1)}


def _columns(found: Sequence[Published], data: ReportData) -> list[str]:
    return [n for n, p in COLUMNS.items() if p in data.plan["protocols"] and any(n in row.values for row in found)]


def _heading(name: str) -> str:
    label = protocol_label(COLUMNS[name])
    return f"{label} TAR@1e-4" if name.endswith("_tar_1e4") else label


def _number(row: Published, name: str) -> str:
    value = row.values.get(name)
    return "" if value is None else f"{value:g}"


def _notes(found: Sequence[Published], data: ReportData) -> tuple[str, ...]:
    other = PublishedBlock(kinds=list(KINDS))
    left_out = len(chosen(published(), _parts(data), data.plan["protocols"], other)) - len(found)
    more = [f"{left_out} more row(s) are left out by `report.published`."] if left_out else []
    sources = (f"{mark} {source}" for source, mark in _marks(found).items())
    return NOT_MEASURED, *_other_tests(data), DIFFERENT, INTRA, *more, *sources


def _other_tests(data: ReportData) -> list[str]:
    """A protocol of the suite that only has the name of the public one cannot be compared with it at all."""
    found = {
        name: wrong
        for facts in data.plan.get("facts", {}).values()
        for name, counts in facts.get("protocols", {}).items()
        if name in COLUMNS.values() and (wrong := disagreements(name.removesuffix("_fp"), {"pairs": counts["pairs"]}))
    }
    return [
        f"The {protocol_label(name)} of this suite is not the public test set ({', '.join(wrong)})."
        for name, wrong in found.items()
    ]


def _parts(data: ReportData) -> set[str]:
    """The names of every margin and term of the suite."""
    configs = [run["config"] for run in data.plan["runs"]]
    terms = {term["name"] for config in configs for term in config.get("terms", ())}
    return {config["margin"]["name"] for config in configs} | terms


def _row(given: Mapping[str, Any]) -> Published:
    texts = {key: str(value) for key, value in given.items() if key not in COLUMNS}
    return Published(**texts, values={name: float(given[name]) for name in COLUMNS if name in given})


@cache
def _file() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(files("bench.report").joinpath("published.yaml").read_text(encoding="utf-8"))
    return found
