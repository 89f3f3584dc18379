"""What accuracy costs: seconds of training against accuracy, and what the term adds to the seconds."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING, Any

from bench.catalog import BACKBONES, FIGURES
from bench.report.effects import seed_interval
from bench.report.figures import _cells, _plot
from bench.report.labels import protocol_label, telling

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from bench.report.results import ReportData

MOST_ROWS, MOST_COLOURS = 16, 8


@FIGURES.register(
    "cost_against_accuracy",
    summary="Accuracy against seconds of training a run, as recorded, with 95 % intervals from 3 seeds and the Pareto "
    "front; beside it the seconds relative to the same seed without the term",
    source="this project",
    reads=("*.accuracy", "execution_class", "evaluations"),
)
def draw(results: ReportData) -> _plot.Drawing | None:
    """None where no protocol has an accuracy or no run its seconds."""
    protocols = _cells.measured(results, "accuracy")
    cells = costs(results, protocols) if protocols else None
    if cells is None or cells.empty:
        return None
    most = cells["execution_class"].value_counts().index[0]
    cells = cells[cells["execution_class"] == most].reset_index(drop=True)
    cells["front"] = on_front(cells["seconds"], cells["accuracy"])
    shares = cells[cells["overhead"].notna()]
    from matplotlib.figure import Figure

    rows = list(dict.fromkeys(shares["row"]))
    figure = Figure(figsize=(_plot.PAGE_WIDTH, max(2.9, 1.0 + 0.19 * min(len(rows), MOST_ROWS))))
    axes = figure.subplots(1, 2 if rows else 1, squeeze=False, width_ratios=[3, 2] if rows else [1])[0]
    _scatter(axes[0], cells)
    where = protocol_label(*protocols) if len(protocols) == 1 else f"mean of {len(protocols)} protocols"
    axes[0].set(xlabel="seconds of training a run", ylabel=f"accuracy (%)\n{where}")
    if rows:
        _overheads(axes[1], shares, rows[:MOST_ROWS])
    classes = results.done["execution_class"].nunique()
    note = _cells.joined(
        _in_words(most), f"the most frequent of {classes} execution classes" if classes > 1 else "",
        _cells.first_of(MOST_ROWS, len(rows), "rows at the right"),
    )  # fmt: skip
    _plot.legend(figure, _handles(cells), title=note)
    return _plot.Drawing(figure, cells.drop(columns="row"))


def costs(results: ReportData, protocols: list[str]) -> pd.DataFrame:
    """A row a cell and execution class: seconds of training, accuracy (%, mean over protocols) with its interval, and
    ``overhead``: how many % more seconds than the same seeds of the baseline in the same class, NaN without any.

    ``parameters`` and ``macs`` (of one image of 112 pixels) where the catalogue knows them, which is for a backbone's
    usual options.
    """
    import pandas as pd

    runs = results.done.copy()
    outcomes = [(results.store.outcome(run) or {}).get("metrics", {}) for run in runs["run"]]
    runs["seconds"] = pd.Series([m.get("train_seconds") for m in outcomes], index=runs.index, dtype="float64")
    runs["accuracy"] = 100 * runs[[f"{p}.accuracy" for p in protocols]].mean(axis=1, skipna=False)
    runs = runs.dropna(subset=["seconds", "accuracy"])
    config = {run["run"]: run["config"]["backbone"] for run in results.plan["runs"]}
    keyed = ["cell", "execution_class", "seed"]
    base = runs.drop_duplicates(keyed).set_index(keyed)["seconds"]
    named = telling(results.frame, results.plan["axes"])
    axes = [axis for axis in named if axis not in ("backbone", "margin", "enhancement.strength")]
    rows = []
    for (cell, execution), part in runs.groupby(["cell", "execution_class"], sort=False):
        first = part.iloc[0]
        of_base = [base.get((first["baseline"], execution, seed)) for seed in part["seed"]]
        paired = [(own, other) for own, other in zip(part["seconds"], of_base, strict=True) if other]
        low, high = seed_interval(list(part["accuracy"])) or (float("nan"), float("nan"))
        others = [str(first[axis]) for axis in axes]
        own = cell != first["baseline"] and paired
        rows.append(
            {
                "cell": cell, "backbone": first["backbone"], "margin": first["margin"], "others": " · ".join(others),
                "strength": first["strength"], "seeds": len(part), "seconds": part["seconds"].mean(),
                "accuracy": part["accuracy"].mean(), "accuracy_low": low, "accuracy_high": high,
                "overhead": 100 * (sum(p[0] for p in paired) / sum(p[1] for p in paired) - 1) if own else float("nan"),
                **_size(config[first["run"]]), "execution_class": execution,
                "row": " · ".join([first["margin"], first["backbone"], *others]),
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def on_front(cost: pd.Series, gain: pd.Series) -> list[bool]:
    """Whether no other cell costs at most as much and gains at least as much, and one of them strictly."""
    pairs = list(zip(cost, gain, strict=True))
    return [not any((c <= x and g > y) or (c < x and g >= y) for c, g in pairs) for x, y in pairs]


def _size(backbone: dict[str, Any]) -> dict[str, float]:
    spec = BACKBONES.get(backbone["name"]) if backbone["name"] in BACKBONES else None
    usual = spec is not None and {**spec.defaults, **backbone, "name": ""} == {**spec.defaults, "name": ""}
    known = spec.traits if spec is not None and usual else {}
    return {name: float(known.get(name) or "nan") for name in ("parameters", "macs")}


def _scatter(ax: Axes, cells: pd.DataFrame) -> None:
    colours, markers = _looks(cells)
    front = cells[cells["front"]].sort_values("seconds")
    ax.plot(front["seconds"], front["accuracy"], color="0.55", linewidth=1.0, linestyle="--", drawstyle="steps-post")
    sure = cells[cells["seeds"] >= _plot.SEEDS_OF_INTERVALS]
    ax.vlines(sure["seconds"], sure["accuracy_low"], sure["accuracy_high"], color="0.88", linewidth=0.8, zorder=1)
    for cell in cells.to_dict("records"):
        ax.plot(
            cell["seconds"], cell["accuracy"], markers[cell["margin"]], color=colours[cell["backbone"]],
            markerfacecolor="white" if cell["strength"] == 0 else None, markersize=7 if cell["front"] else 4.5,
            alpha=0.85, zorder=3,
        )  # fmt: skip
    ax.set_ylim(_cells.limits(cells["accuracy"]))
    if cells["seconds"].max() > 8 * cells["seconds"].min():
        ax.set_xscale("log")
        _cells.plain_ticks(ax.xaxis)


def _overheads(ax: Axes, shares: pd.DataFrame, rows: list[str]) -> None:
    """A row a margin and backbone, a point a strength: darker is stronger."""
    colours = _strength_colours(shares)
    for at, row in enumerate(rows):
        for cell in shares[shares["row"] == row].to_dict("records"):
            ax.plot(cell["overhead"], at, "o", color=colours[cell["strength"]], markersize=4.5, alpha=0.85)
    ax.axvline(0, color="0.3", linewidth=0.8)
    ax.set_yticks(range(len(rows)), [textwrap.shorten(row, 44, placeholder="…") for row in rows])
    ax.set(xlabel="seconds of training more\nthan without the term (%)", ylim=(len(rows) - 0.5, -0.5))


def _looks(cells: pd.DataFrame) -> tuple[dict[str, Any], dict[str, str]]:
    names, margins = list(dict.fromkeys(cells["backbone"])), list(dict.fromkeys(cells["margin"]))
    return (
        _plot.backbone_colours(names),
        {margin: _plot.MARKERS[i % len(_plot.MARKERS)] for i, margin in enumerate(margins)},
    )


def _handles(cells: pd.DataFrame) -> list[Any]:
    from matplotlib.lines import Line2D

    colours, markers = _looks(cells)
    handles = [Line2D([], [], color="0.3", marker=mark, linestyle="", label=m) for m, mark in markers.items()]
    handles = handles[: MOST_COLOURS + 4]
    for name, colour in colours.items() if len(colours) > 1 else ():
        known = cells.loc[cells["backbone"] == name, "parameters"].iloc[0]
        label = name if known != known else f"{name} ({known / 1e6:.1f} M)"
        handles.append(Line2D([], [], color=colour, linewidth=4, label=label))
    lightness = _strength_colours(cells)
    return [
        *handles,
        Line2D([], [], color="0.3", marker="o", linestyle="", markerfacecolor="white", label="open: λ = 0"),
        Line2D([], [], color="0.55", linestyle="--", linewidth=1, label="Pareto front"),
        *(
            Line2D([], [], color=lightness[s], marker="o", linestyle="", label=f"λ = {s:g} (right)")
            for s in _cells.thinned(list(lightness), 5)
        ),
    ]


def _strength_colours(cells: pd.DataFrame) -> dict[float, Any]:
    return _plot.strength_colours(sorted(set(cells.loc[cells["overhead"].notna(), "strength"])))


def _in_words(execution: str) -> str:
    told = json.loads(execution)
    return ", ".join(f"{name} {told[name]}" for name in ("device", "processor", "gpu", "threads") if told.get(name))
