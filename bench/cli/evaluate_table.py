"""The tables of ``bench evaluate``: per protocol its metrics with intervals, and what they rest on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from bench.catalog.metrics import metric
from bench.report.labels import protocol_label


def print_tables(result: Mapping[str, Any]) -> None:
    """Prints a result as ``bench evaluate --json`` has it."""
    console = Console(highlight=False)
    for line in _model_lines(result["model"]):
        console.print(line, markup=False)
    for name, record in result["evaluations"].items():
        console.print()
        for line in _fact_lines(name, record["facts"]):
            console.print(line, markup=False)
        console.print(_table(record))
        for line in _note_lines(record):
            console.print(line, markup=False)


def _model_lines(model: Mapping[str, Any]) -> list[str]:
    what = model.get("run") or model.get("module") or model.get("file")
    if model["kind"] == "embeddings":
        return [f"embeddings {what}: {model['rows']:,} rows, matched to each {model['per']}; flip test: not applied"]
    if model["kind"] == "scores":
        return [f"scores {what}: {model['direction']}"]
    digest = f", sha256 {model['sha256'][:12]}" if model["sha256"] else ""
    side, mirror = model["pixels"], "own + mirror image's, then normalised" if model["flip"] else "none"
    return [
        f"{model['kind']} {what}{digest}, on {model['device']}",
        f"fed: {side} × {side} pixels, {model['said']}; flip test: {mirror}",
    ]


def _fact_lines(name: str, facts: Mapping[str, Any]) -> list[str]:
    folds = f", {facts['folds']} folds" if facts["folds"] else ""
    lines = [
        f"{protocol_label(name)}: {facts['pairs']:,} pairs ({facts['genuine']:,} genuine, {facts['impostor']:,} "
        f"impostor{folds}), lists {facts['lists'][:12]}" + (f", images {facts['data'][:12]}" if "data" in facts else "")
    ]
    if "templates" in facts:
        images = f"{facts['images']:,} images, " if "images" in facts else ""
        extra = f"; {facts['extra']:,} names in the file are not in the protocol" if facts.get("extra") else ""
        lines.append(f"{images}{facts['templates']:,} templates of {facts['dimension']} numbers{extra}")
    if "original_sizes" in facts:
        lines.append(f"images, width x height: {_sizes(facts['original_sizes'])}")
    return lines


def _sizes(counts: Mapping[str, int]) -> str:
    """The commonest sizes with their counts."""
    common = sorted(counts, key=lambda size: -counts[size])
    more = f", and {len(common) - 3} more sizes" if len(common) > 3 else ""
    return ", ".join(f"{size} ({counts[size]:,})" for size in common[:3]) + more


def _table(record: Mapping[str, Any]) -> Table:
    """A row a metric that was measured, or whose note says why it was not."""
    intervals, notes, measures = record["intervals"], record["notes"], record["measures"]
    table = Table(box=SIMPLE, pad_edge=False)
    table.add_column("metric", no_wrap=True)
    table.add_column("value", justify="right", no_wrap=True)
    if intervals:
        table.add_column(f"{100 * measures['level']:g} % interval", justify="right", no_wrap=True)
    table.add_column("note", overflow="fold")
    for name, value in record["metrics"].items():
        note = notes.get(name, "")
        if value is None and not note:
            continue
        cells = [metric(name).heading, _number(name, value)]
        if intervals:
            cells.append(_interval(name, intervals.get(name)))
        table.add_row(*cells, note)
    return table


def _number(name: str, value: float | None) -> str:
    if value is None:
        return "—"
    shown = metric(name)
    return f"{value * shown.scale:.2f}" if shown.unit else f"{value:.4g}"


def _interval(name: str, interval: Mapping[str, Any] | None) -> str:
    if interval is None or interval["low"] is None:
        return ""
    return f"{_number(name, interval['low'])} … {_number(name, interval['high'])}"


def _note_lines(record: Mapping[str, Any]) -> list[str]:
    lines = [f"{key}: {text}" for key, text in record["notes"].items() if key not in record["metrics"]]
    measures = record["measures"]
    if record["intervals"]:
        undefined = max(i["undefined"] for i in record["intervals"].values())
        some = f", up to {undefined:,} of which have no value" if undefined else ""
        lines.append(
            f"intervals: {measures['bootstrap']:,} bootstrap replicates over people, seed {measures['seed']}{some}"
        )
    return lines
