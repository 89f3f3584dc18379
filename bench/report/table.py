"""The paper's table: rows are cells, columns are protocols and metrics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from bench.catalog.metrics import Metric, metric
from bench.report.effects import METRIC, Effect, all_effects, seed_interval
from bench.report.flags import Flag, flag_of
from bench.report.labels import axis_label, protocol_label, signed
from bench.report.results import CANCELLED, DONE, FAILED, MISSING, ReportData
from bench.report.table_notes import OWN_DERIVATION, notes_of
from bench.suite.schema import ReportBlock

__all__ = ["OWN_DERIVATION", "Column", "Entry", "Row", "Table", "build_table", "report_block"]

Mark = Literal["", "best", "second"]
Verdict = Literal["", "significant", "not"]


@dataclass(frozen=True)
class Column:
    """One metric of one protocol, with its number of decimals; ``has_delta``: whether it is compared to baselines."""

    protocol: str
    metric: str
    digits: int = 2
    has_delta: bool = False
    group: str = ""

    @property
    def key(self) -> str:
        return f"{self.protocol}.{self.metric}"

    @property
    def style(self) -> Metric:
        return metric(self.metric)

    @property
    def heading(self) -> str:
        return f"{self.group or protocol_label(self.protocol)} {self.style.heading}"


@dataclass(frozen=True)
class Entry:
    """A column's value for one cell, in the unit shown. ``n`` counts the seeds measured; ``done`` those trained.

    ``half``: half the interval of the mean over seeds. ``delta``: mean difference to the baseline over the seeds of
    both; ``low``, ``high`` its interval, ``p_holm`` adjusted over the table, ``verdict`` what that says, ``method``
    how it was found.
    """

    mean: float | None
    sd: float | None
    n: int
    done: int
    delta: float | None = None
    mark: Mark = ""
    half: float | None = None
    low: float | None = None
    high: float | None = None
    p_holm: float | None = None
    verdict: Verdict = ""
    method: str = ""
    flag: Flag = ""

    def text(self, digits: int, spread: str = "interval") -> str:
        if self.mean is None:
            return "n/m" if self.done else "–"
        after = self.half if spread == "interval" else self.sd
        around = "" if after is None else f" ± {after:.{digits}f}"
        fewer = f" (n={self.n})" if self.n < self.done else ""
        return f"{self.mean:.{digits}f}{around}{fewer}{self.flag}"

    def delta_text(self, digits: int) -> str:
        if self.delta is None:
            return ""
        return signed(self.delta, digits) + SIGNS[self.verdict]


SIGNS: dict[Verdict, str] = {"": "", "significant": "*", "not": "°"}
"""After a Δ: differs from 0 after Holm's correction, or was tested and does not."""


@dataclass(frozen=True)
class Row:
    """One cell: its axis labels, how its runs ended, and an entry a column. ``group``: the heading it stands under."""

    labels: tuple[str, ...]
    done: int
    failed: int
    cancelled: int
    missing: int
    entries: tuple[Entry, ...]
    group: str = ""
    cell: str = ""

    @property
    def n_text(self) -> str:
        counts = ((self.failed, FAILED), (self.cancelled, CANCELLED), (self.missing, MISSING))
        lost = [f"{count} {word}" for count, word in counts if count]
        return f"{self.done} ({', '.join(lost)})" if lost else str(self.done)


@dataclass(frozen=True)
class Table:
    """A table ready to write in any format. ``spread``: what stands after ±, "interval" at ``level``, or "sd"."""

    title: str
    axes: tuple[str, ...]
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    digits: int
    spread: str = "interval"
    level: float = 0.95
    grouped_by: str = ""

    def groups(self) -> Iterator[tuple[str, tuple[Row, ...]]]:
        """(heading, rows) in order; one with an empty heading where rows are not grouped."""
        for name in dict.fromkeys(row.group for row in self.rows):
            yield name, tuple(row for row in self.rows if row.group == name)


def report_block(plan: Mapping[str, Any]) -> ReportBlock:
    """The ``report:`` block of a plan; what plans of earlier versions do not say has its default."""
    given = plan["report"]
    return ReportBlock.model_validate({key: given[key] for key in ReportBlock.model_fields if key in given})


def build_table(data: ReportData) -> Table:
    """Mean, spread and marks of every cell of the plan over its seeds, as the suite's ``report:`` block asks."""
    shown = report_block(data.plan)
    axes = tuple(data.plan["axes"])
    columns = _columns(data, shown)
    measured = _Measured(data, columns, shown.level)
    cells = [cell.iloc[0] for _, cell in data.frame.groupby("cell", sort=False)]
    counts = {cell: part.value_counts() for cell, part in data.frame.groupby("cell", sort=False)["status"]}
    rows = [_row(first, counts[first["cell"]], axes, columns, measured, shown.group_by) for first in cells]
    rows = _in_order(_with_marks(rows, columns), cells, columns, shown)
    caption = shown.caption or data.plan["title"] or data.plan["suite"]
    called = [shown.headings.get(axis, axis_label(axis)) for axis in axes if axis != shown.group_by]
    grouped = "" if shown.group_by is None else shown.headings.get(shown.group_by, axis_label(shown.group_by))
    bare = Table(
        caption, tuple(called) or ("cell",), columns, tuple(rows), (), shown.digits, shown.spread, shown.level, grouped
    )
    return replace(bare, notes=notes_of(bare, data))


def _columns(data: ReportData, shown: ReportBlock) -> tuple[Column, ...]:
    """Those asked for, in order; geometry on training identities, where it was measured, after the protocols."""
    planned, compared = data.plan["protocols"], {(e.protocol, e.metric) for e in all_effects(data)}
    cells = dict(zip(data.frame["cell"], data.frame["baseline"], strict=True))
    if any(base != cell and base in cells for cell, base in cells.items()):  # compared, or to be once runs are done
        compared |= {(protocol, METRIC) for protocol in [*planned, "train"]}
    protocols = [p for p in shown.columns if p in planned or p == "train"] or [*planned, "train"]
    return tuple(
        Column(
            protocol, name, shown.precision.get(name, shown.digits), (protocol, name) in compared,
            shown.headings.get(protocol, protocol_label(protocol)),
        )
        for protocol in dict.fromkeys(protocols)
        for name in shown.metrics
        if protocol in planned or f"{protocol}.{name}" in data.frame.columns
    )  # fmt: skip


def _row(
    first: pd.Series[Any], counts: pd.Series[int], axes: Sequence[str], columns: Sequence[Column], measured: _Measured,
    group_by: str | None,
) -> Row:  # fmt: skip
    labels = _labels(first, axes)
    group = labels.pop(group_by, "") if group_by is not None else ""
    return Row(
        tuple(labels.values()) or (str(first["margin"]),),
        int(counts.get(DONE, 0)),
        int(counts.get(FAILED, 0)),
        int(counts.get(CANCELLED, 0)),
        int(counts.get(MISSING, 0)),
        tuple(measured.entry(first["cell"], first["baseline"], column) for column in columns),
        group,
        str(first["cell"]),
    )


def _labels(first: pd.Series[Any], axes: Sequence[str]) -> dict[str, str]:
    """Axis → what its column says, with whatever else makes the cell another one than its axes say."""
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
    return labels


class _Measured:
    """What finished runs measured, by cell; in plain numbers, for a table asks thousands of times."""

    def __init__(self, data: ReportData, columns: Sequence[Column], level: float) -> None:
        done, frame = data.done, data.frame
        self._data, self._level = data, level
        self._tested: dict[str, set[str]] = {}
        for protocol in {column.protocol for column in columns}:
            there = frame[[name for name in frame.columns if name.startswith(f"{protocol}.")]].notna().any(axis=1)
            self._tested[protocol] = set(frame["cell"][there])
        self._columns = {c.key: (done[c.key] * c.style.scale).to_numpy() for c in columns if c.key in done.columns}
        self._runs: dict[str, list[tuple[int, int]]] = {}
        for row, (cell, seed) in enumerate(zip(done["cell"], done["seed"], strict=True)):
            self._runs.setdefault(cell, []).append((row, seed))
        self._effects = {(e.cell, e.protocol, e.metric): e for e in all_effects(data)}

    def values(self, cell: str, column: Column) -> dict[int, float]:
        """Seed → value, in the unit shown."""
        if column.key not in self._columns:
            return {}
        values = self._columns[column.key]
        return {seed: values[row] for row, seed in self._runs.get(cell, ()) if not np.isnan(values[row])}

    def entry(self, cell: str, baseline: str, column: Column) -> Entry:
        values, done = self.values(cell, column), len(self._runs.get(cell, ()))
        if not values:  # a protocol that the cell's suite does not ask for has no metric with a value
            return Entry(None, None, 0, done if cell in self._tested[column.protocol] else 0)
        found = list(values.values())
        interval = seed_interval(found, self._level)
        entry = Entry(
            float(np.mean(found)),
            float(np.std(found, ddof=1)) if len(found) > 1 else None,
            len(found),
            done,
            half=None if interval is None else (interval[1] - interval[0]) / 2,
            flag=flag_of(self._data, cell, column.protocol, column.metric),
        )
        effect = self._effects.get((cell, column.protocol, column.metric)) if column.has_delta else None
        return entry if effect is None else _compared(entry, effect, self._level)


def _compared(entry: Entry, effect: Effect, level: float) -> Entry:
    verdict: Verdict = ""
    if effect.p_holm is not None:
        verdict = "significant" if effect.p_holm < 1 - level else "not"
    return replace(
        entry,
        delta=effect.effect,
        low=effect.low,
        high=effect.high,
        p_holm=effect.p_holm,
        verdict=verdict,
        method=effect.method,
    )


def _in_order(
    rows: Sequence[Row], cells: Sequence[pd.Series[Any]], columns: Sequence[Column], shown: ReportBlock
) -> list[Row]:
    """In plan order, or by ``order``: an axis by its values as the plan has them, a column by its mean, best first."""
    keys: list[list[float]] = [[] for _ in rows]
    at = {column.key: i for i, column in enumerate(columns)}
    for name in [*([shown.group_by] if shown.group_by else []), *shown.order]:
        if name in at:
            higher = columns[at[name]].style.higher is not False
            means = [row.entries[at[name]].mean for row in rows]
            values = [np.inf if mean is None else -mean if higher else mean for mean in means]
        elif cells and name in cells[0]:
            places = {value: place for place, value in enumerate(dict.fromkeys(cell[name] for cell in cells))}
            values = [float(places[cell[name]]) for cell in cells]
        else:  # a plan whose axes were changed since
            continue
        for key, value in zip(keys, values, strict=True):
            key.append(value)
    return [rows[i] for i in sorted(range(len(rows)), key=lambda i: keys[i])]


def _with_marks(rows: Sequence[Row], columns: Sequence[Column]) -> list[Row]:
    marks = [_marks([row.entries[i].mean for row in rows], column) for i, column in enumerate(columns)]
    return [
        replace(row, entries=tuple(replace(e, mark=marks[i][at]) for i, e in enumerate(row.entries)))
        for at, row in enumerate(rows)
    ]


def _marks(means: Sequence[float | None], column: Column) -> list[Mark]:
    """Best and second of a column as printed: cells that print alike are marked alike."""
    higher = column.style.higher
    shown = [None if mean is None else round(mean, column.digits) for mean in means]
    distinct = sorted({value for value in shown if value is not None}, reverse=bool(higher))
    if higher is None or len(distinct) < 2:
        return [""] * len(means)
    return ["best" if value == distinct[0] else "second" if value == distinct[1] else "" for value in shown]
