"""Spectra of the covariance within identities, with the term and without."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.catalog import FIGURES
from bench.report.figures import _cells, _plot
from bench.report.labels import protocol_label

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.axes import Axes

    from bench.report.results import ReportData

MOST, MOST_STRENGTHS, MOST_VALUES = 10, 4, 100


@FIGURES.register(
    "intra_class_spectrum",
    summary="Eigenvalues of the covariance within identities as shares of their sum, mean over seeds: flat is "
    "isotropic; grey: what isotropic identities of as many images read",
    source="this project",
    reads=("evaluations",),
)
def draw(results: ReportData) -> _plot.Drawing | None:
    """None where no evaluation has kept its spectrum, as those of older versions have not."""
    panels, note = _cells.panels_by_backbone(results, MOST)
    strengths = _cells.thinned(_plot.strengths(results.done), MOST_STRENGTHS)
    for protocol in (*results.plan["protocols"], "train"):
        table, without = spectra(results, protocol, panels, strengths)
        if not table.empty:
            break
    else:
        return None
    titles = list(dict.fromkeys(table["panel"]))
    figure, axes = _cells.wrapped(
        titles, row_height=1.8, xlabel="eigenvalue, from the largest", ylabel="share of the scatter"
    )
    for title, ax in zip(titles, axes, strict=True):
        _curves(ax, table[table["panel"] == title], strengths)
    lacking = f"without {without} runs evaluated before spectra were kept" if without else ""
    _plot.legend(figure, _handles(strengths), title=_cells.joined(protocol_label(protocol), note, lacking))
    return _plot.Drawing(figure, table)


def spectra(
    results: ReportData, protocol: str, panels: list[tuple[str, pd.DataFrame]], strengths: list[float]
) -> tuple[pd.DataFrame, int]:
    """The mean over seeds of each panel's spectra, and the number of runs that have none.

    Columns: panel, kind ("measured", "null": of isotropic identities, over all runs of the panel, or "isotropic": one
    over the dimension), strength (NaN but for the measured), seeds, number (of the eigenvalue, from 1) and share. Of a
    long spectrum ``MOST_VALUES`` numbers, evenly on a logarithmic scale.
    """
    import numpy as np
    import pandas as pd

    parts, without = [], 0
    for title, part in panels:
        nulls: list[np.ndarray] = []
        for strength, runs in part[part["strength"].isin(strengths)].groupby("strength"):
            kept = [
                results.store.some_arrays(run, evaluation, ("spectrum", "spectrum_null"))
                for run, evaluation in results.evaluations(runs, protocol)
            ]
            found = [arrays for arrays in kept if "spectrum" in arrays]
            without += len(kept) - len(found)
            if found:
                parts.append(_rows(title, "measured", strength, [arrays["spectrum"] for arrays in found]))
                nulls += [arrays["spectrum_null"] for arrays in found]
        if nulls:
            parts.append(_rows(title, "null", np.nan, nulls))
            parts.append(_rows(title, "isotropic", np.nan, [np.full(len(nulls[0]), 1 / len(nulls[0]))]))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(), without


def _rows(title: str, kind: str, strength: Any, found: list[np.ndarray]) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    mean = np.asarray(np.mean(found, axis=0, dtype=np.float64))
    number = np.unique(np.geomspace(1, len(mean), MOST_VALUES).round().astype(int))
    return pd.DataFrame(
        {
            "panel": title, "kind": kind, "strength": float(strength), "seeds": len(found), "number": number,
            "share": mean[number - 1],
        }
    )  # fmt: skip


def _curves(ax: Axes, table: pd.DataFrame, strengths: list[float]) -> None:
    ax.set(xscale="log", yscale="log")
    _cells.plain_ticks(ax.xaxis)
    _cells.plain_ticks(ax.yaxis)
    for (kind, strength), curve in table[table["share"] > 0].groupby(["kind", "strength"], dropna=False):
        ax.plot(curve["number"], curve["share"], **_looks(strengths)[strength if kind == "measured" else kind])
    highest = table["share"].max()
    ax.set_ylim(max(table.loc[table["share"] > 0, "share"].min(), highest / 1e4) / 1.5, highest * 1.5)


def _looks(strengths: list[float]) -> dict[Any, dict[str, Any]]:
    """Strengths by lightness and by line; the references are grey."""
    colours = _plot.strength_colours(strengths)
    return {
        **{s: {"color": colours[s], "linestyle": _plot.LINESTYLES[i % 4]} for i, s in enumerate(strengths)},
        "null": {"color": "0.6", "linewidth": 2.4, "alpha": 0.7, "zorder": 1},
        "isotropic": {"color": "0.35", "linewidth": 0.7, "zorder": 1},
    }


def _handles(strengths: list[float]) -> list[Any]:
    from matplotlib.lines import Line2D

    labels = {"null": "isotropic, as estimated", "isotropic": "isotropic: 1/d"}
    return [Line2D([], [], label=labels.get(key) or f"λ = {key:g}", **look) for key, look in _looks(strengths).items()]
