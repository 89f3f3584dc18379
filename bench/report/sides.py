"""Which cells or runs a word means that is to be compared: a suite, a run, a cell, or a suite's cells by their axes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from bench.errors import BenchError, UnknownNameError, nearest, unknown_name
from bench.report.labels import axis_label
from bench.scheduling.selection import Asked, asked, asked_by, suite_name
from bench.store import Store

Kind = Literal["suite", "cells", "run"]
_KINDS = {"suite": "a suite", "cells": "cells", "run": "a run"}


@dataclass(frozen=True)
class CellOf:
    """A cell of a suite: its values on the axes, and its finished runs by seed, as the plan has them."""

    suite: str
    cell: str
    axes: Mapping[str, str]
    runs: Mapping[int, Mapping[str, Any]]

    @property
    def name(self) -> str:
        return ", ".join(self.axes.values()) or self.cell[:8]


@dataclass(frozen=True)
class Side:
    """What one word means. ``chosen``: axes that the word itself gave a value, by which nothing is matched."""

    word: str
    kind: Kind
    cells: tuple[CellOf, ...]
    chosen: frozenset[str] = frozenset()

    def key(self, cell: CellOf) -> frozenset[tuple[str, str]]:
        """By what a cell of this side is matched with one of the other."""
        return frozenset((axis, value) for axis, value in cell.axes.items() if axis not in self.chosen)


def side_of(store: Store, word: str) -> Side:
    """Raises UnknownNameError for a word that means nothing here, BenchError for one that means several things."""
    name, colon, selector = word.partition(":")
    if colon and suite_name(name) in store.suite_names():
        return _selected(store, word, suite_name(name), selector)
    if (suite := suite_name(word)) in store.suite_names():
        return Side(word, "suite", _cells(store, asked_by(store, suite)))
    everything = asked(store)
    runs = {run.run for run in everything if word and run.run.startswith(word)}
    cells = {str(run.record["cell"]) for run in everything if word and str(run.record["cell"]).startswith(word)}
    if len(runs) + len(cells) > 1:
        raise BenchError(f"{store.root}: {word} begins {len(runs)} runs and {len(cells)} cells; give more of the id")
    if runs:
        views = [run for run in everything if run.run in runs]
        return Side(word, "run", _cells(store, views[:1]))
    if cells:
        views = [run for run in everything if run.record["cell"] in cells]
        return Side(word, "cells", _cells(store, [run for run in views if run.suite == views[0].suite]))
    known = [*store.suite_names(), *(run.run for run in everything)]
    near = nearest(name, known)
    hint = f"; did you mean {near}?" if near else ""
    raise UnknownNameError(f"{store.root}: no suite, run or cell {word!r}{hint}")


def check_alike(a: Side, b: Side) -> None:
    """Raises BenchError for sides of different kinds: a suite is a table, a run is one network."""
    if a.kind != b.kind:
        raise BenchError(
            f"{a.word} is {_KINDS[a.kind]} and {b.word} is {_KINDS[b.kind]}; compare two suites, two runs or cells"
        )


def _selected(store: Store, word: str, suite: str, selector: str) -> Side:
    cells = _cells(store, asked_by(store, suite))
    axes = list(dict.fromkeys(axis for cell in cells for axis in cell.axes))
    wanted = _wanted(selector, axes, word)
    for axis, value in wanted.items():
        values = list(dict.fromkeys(cell.axes[axis] for cell in cells if axis in cell.axes))
        if value not in values:
            raise UnknownNameError(f"{word}: {unknown_name(f'value of {axis}', value, values)}")
    found = tuple(cell for cell in cells if all(cell.axes.get(axis) == value for axis, value in wanted.items()))
    if not found:
        raise BenchError(f"{word}: no cell of suite {suite} has all of these values")
    return Side(word, "cells", found, frozenset(wanted))


def _wanted(selector: str, axes: Sequence[str], word: str) -> dict[str, str]:
    """``axis=value,axis=value``; a comma within a value, as in a list of options, ends nothing."""
    called = {name: axis for axis in axes for name in (axis.rpartition(".")[2], axis_label(axis), axis)}
    parts = re.split(r",(?=\s*[^,=()]+=)(?![^(]*\))", selector)
    wanted: dict[str, str] = {}
    for part in parts:
        name, equals, value = part.partition("=")
        if not equals:
            raise BenchError(f"{word}: must be SUITE:axis=value,axis=value, found {part!r}")
        if name.strip() not in called:
            raise UnknownNameError(f"{word}: {unknown_name('axis', name.strip(), axes)}")
        wanted[called[name.strip()]] = value.strip()
    return wanted


def _cells(store: Store, runs: Sequence[Asked]) -> tuple[CellOf, ...]:
    """The cells of these runs, in their order, with those of the runs that are done."""
    found: dict[str, CellOf] = {}
    order = store.plan(runs[0].suite)["axes"] if runs else []
    for run in runs:
        name, axes = str(run.record["cell"]), run.record["axes"]
        cell = found.setdefault(name, CellOf(run.suite, name, {axis: axes[axis] for axis in order if axis in axes}, {}))
        if run.state(store) == "done":
            found[cell.cell] = CellOf(cell.suite, cell.cell, cell.axes, {**cell.runs, run.record["seed"]: run.record})
    return tuple(found.values())
