"""The paper's table: rows are cells, columns are protocols and metrics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from bench.catalog.metrics import Metric, metric
from bench.report.labels import axis_label, protocol_label
from bench.report.results import CANCELLED, DONE, FAILED, MISSING, ReportData, execution_classes

OWN_DERIVATION = (
    "The gradient-enhancing term is this project's own derivation from the published abstract; "
    "it is not the equation of arXiv 2107.03352, and no number here reproduces that paper's."
)
Mark = Literal["", "best", "second"]


@dataclass(frozen=True)
class Column:
    """One metric of one protocol."""

    protocol: str
    metric: str

    @property
    def key(self) -> str:
        return f"{self.protocol}.{self.metric}"

    @property
    def style(self) -> Metric:
        return metric(self.metric)

    @property
    def heading(self) -> str:
        return f"{protocol_label(self.protocol)} {self.style.heading}"

    @property
    def has_delta(self) -> bool:
        return self.metric == "accuracy"


@dataclass(frozen=True)
class Entry:
    """A column's value for one cell, in the unit shown. ``n`` counts the seeds measured; ``done`` those trained."""

    mean: float | None
    sd: float | None
    n: int
    done: int
    delta: float | None = None
    mark: Mark = ""

    def text(self, digits: int) -> str:
        if self.mean is None:
            return "n/m" if self.done else "–"
        spread = "" if self.sd is None else f" ± {self.sd:.{digits}f}"
        fewer = f" (n={self.n})" if self.n < self.done else ""
        return f"{self.mean:.{digits}f}{spread}{fewer}"

    def delta_text(self, digits: int) -> str:
        if self.delta is None:
            return ""
        return f"{self.delta:+.{digits}f}".replace("-", "−")


@dataclass(frozen=True)
class Row:
    """One cell: its axis labels, how its runs ended, and an entry a column."""

    labels: tuple[str, ...]
    done: int
    failed: int
    cancelled: int
    missing: int
    entries: tuple[Entry, ...]

    @property
    def n_text(self) -> str:
        counts = ((self.failed, FAILED), (self.cancelled, CANCELLED), (self.missing, MISSING))
        lost = [f"{count} {word}" for count, word in counts if count]
        return f"{self.done} ({', '.join(lost)})" if lost else str(self.done)


@dataclass(frozen=True)
class Table:
    """A table ready to write in any format."""

    title: str
    axes: tuple[str, ...]
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    digits: int


def build_table(data: ReportData) -> Table:
    """Mean and sd (ddof 1) over seeds for every cell of the plan, in plan order, with best, second and Δ."""
    axes = tuple(data.plan["axes"])
    columns = _columns(data)
    digits = int(data.plan["report"]["digits"])
    cells = [cell for _, cell in data.frame.groupby("cell", sort=False)]
    measured = _Measured(data, columns)
    rows = [_row(cell, axes, columns, measured) for cell in cells]
    marked = _with_marks(rows, columns, digits)
    caption = data.plan["report"]["caption"] or data.plan["title"] or data.plan["suite"]
    labels = tuple(axis_label(axis) for axis in axes) or ("cell",)
    told = (f"Data: {note}." for note in data.plan.get("notes", ()))
    notes = (*_notes(marked, columns), *_mixed(data.frame), *told, OWN_DERIVATION)
    return Table(caption, labels, columns, tuple(marked), notes, digits)


def _mixed(frame: pd.DataFrame) -> list[str]:
    classes = len(execution_classes(frame))
    if classes < 2:
        return []
    return [
        f"Runs of {classes} execution classes are mixed here: equal bits are promised within a class only. "
        "The page names them; `bench run --same-class` trains all in one."
    ]


def _columns(data: ReportData) -> tuple[Column, ...]:
    names = data.plan["report"]["metrics"]
    columns = [Column(protocol, name) for protocol in data.plan["protocols"] for name in names]
    if "train" not in data.plan["protocols"]:
        geometry = [Column("train", name) for name in names]
        columns += [column for column in geometry if column.key in data.frame.columns]
    return tuple(columns)


def _row(cell: pd.DataFrame, axes: Sequence[str], columns: Sequence[Column], measured: _Measured) -> Row:
    counts = cell["status"].value_counts()
    first = cell.iloc[0]
    entries = tuple(_entry(first["cell"], first["baseline"], column, measured) for column in columns)
    return Row(
        _labels(first, axes),
        int(counts.get(DONE, 0)),
        int(counts.get(FAILED, 0)),
        int(counts.get(CANCELLED, 0)),
        int(counts.get(MISSING, 0)),
        entries,
    )


def _labels(first: pd.Series[Any], axes: Sequence[str]) -> tuple[str, ...]:
    labels = {axis: str(first[axis]) for axis in axes} or {"": str(first["margin"])}
    where = "margin" if "margin" in labels else next(iter(labels))
    if first["variant"]:
        labels[where] += f" ({first['variant']})"
    if first["terms"] and "terms" not in axes:
        labels[where] += f" + {first['terms']}"
    if first["share"] < 1 and not {"classifier", "classifier.share"} & set(axes):
        labels[where] += f" (Partial FC {first['share']:g})"
    if first["select"] != "last" and "recipe.select" not in axes:
        labels[next(iter(labels))] += f" (epoch selected by {first['select']})"
    return tuple(labels.values())


class _Measured:
    """What finished runs measured, by cell; in plain numbers, for a table asks thousands of times."""

    def __init__(self, data: ReportData, columns: Sequence[Column]) -> None:
        done, frame = data.done, data.frame
        self._tested: dict[str, set[str]] = {}
        for protocol in {column.protocol for column in columns}:
            there = frame[[name for name in frame.columns if name.startswith(f"{protocol}.")]].notna().any(axis=1)
            self._tested[protocol] = set(frame["cell"][there])
        self._columns = {c.key: (done[c.key] * c.style.scale).to_numpy() for c in columns if c.key in done.columns}
        self._runs: dict[str, list[tuple[int, int]]] = {}
        for row, (cell, seed) in enumerate(zip(done["cell"], done["seed"], strict=True)):
            self._runs.setdefault(cell, []).append((row, seed))

    def tested(self, cell: str, protocol: str) -> bool:
        """Whether the cell's suite asks for a protocol at all: then some metric of it has a value."""
        return cell in self._tested[protocol]

    def done(self, cell: str) -> int:
        return len(self._runs.get(cell, ()))

    def values(self, cell: str, column: Column) -> dict[int, float]:
        """Seed → value, in the unit shown."""
        if column.key not in self._columns:
            return {}
        values = self._columns[column.key]
        return {seed: values[row] for row, seed in self._runs.get(cell, ()) if not np.isnan(values[row])}


def _entry(cell: str, baseline: str, column: Column, measured: _Measured) -> Entry:
    values, done = measured.values(cell, column), measured.done(cell)
    if not values:
        return Entry(None, None, 0, done if measured.tested(cell, column.protocol) else 0)
    delta = None
    if column.has_delta and baseline != cell:
        base = measured.values(baseline, column)
        paired = [values[seed] - base[seed] for seed in values if seed in base]
        delta = float(np.mean(paired)) if paired else None
    found = list(values.values())
    sd = float(np.std(found, ddof=1)) if len(found) > 1 else None
    return Entry(float(np.mean(found)), sd, len(found), done, delta)


def _with_marks(rows: Sequence[Row], columns: Sequence[Column], digits: int) -> list[Row]:
    marks = [_marks([row.entries[i].mean for row in rows], column, digits) for i, column in enumerate(columns)]
    return [
        Row(
            row.labels,
            row.done,
            row.failed,
            row.cancelled,
            row.missing,
            tuple(Entry(e.mean, e.sd, e.n, e.done, e.delta, marks[i][at]) for i, e in enumerate(row.entries)),
        )
        for at, row in enumerate(rows)
    ]


def _marks(means: Sequence[float | None], column: Column, digits: int) -> list[Mark]:
    """Best and second of a column as printed: cells that print alike are marked alike."""
    higher = column.style.higher
    shown = [None if mean is None else round(mean, digits) for mean in means]
    distinct = sorted({value for value in shown if value is not None}, reverse=bool(higher))
    if higher is None or len(distinct) < 2:
        return [""] * len(means)
    return ["best" if value == distinct[0] else "second" if value == distinct[1] else "" for value in shown]


def _notes(rows: Sequence[Row], columns: Sequence[Column]) -> tuple[str, ...]:
    notes = ["Mean ± standard deviation over n seeds (ddof 1); n = 1 has no ±. Best bold, second underlined."]
    if any(column.has_delta for column in columns):
        notes.append("Δ: mean over seeds of the difference to the same cell and seed at λ = 0, in percentage points.")
    notes += dict.fromkeys(f"{c.style.rule[0].upper()}{c.style.rule[1:]}." for c in columns if c.style.rule)
    entries = [entry for row in rows for entry in row.entries]
    if any(entry.mean is None and entry.done for entry in entries):
        notes.append("n/m: not measurable with this protocol (too few impostor pairs for the rate asked for, say).")
    if any(entry.mean is None and not entry.done for entry in entries):
        notes.append("–: no finished run that was tested on this protocol.")
    if any(0 < entry.n < entry.done for entry in entries):
        notes.append("(n=…): measurable in fewer seeds than were trained.")
    failed, missing = sum(row.failed for row in rows), sum(row.missing for row in rows)
    cancelled = sum(row.cancelled for row in rows)
    if failed or missing or cancelled:
        lost = f"{failed} failed{f', {cancelled} cancelled' if cancelled else ''} and {missing} missing run(s)"
        notes.append(f"{lost} are left out of the means; the page lists each.")
    return tuple(notes)
