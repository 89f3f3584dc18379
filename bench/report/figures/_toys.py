"""Embeddings of toy networks: what both figures of them share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.report.figures import _cells
from bench.report.toy import planned_toys, shape_of

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.axes import Axes

    from bench.report.results import ReportData

COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#000000", "#8c6d31")
"""Okabe and Ito's, the yellow that is too pale on white replaced; numbers tell the identities apart in grey."""


@dataclass(frozen=True)
class Seen:
    """A trained toy: ``raw`` and ``unit`` (N, d), ``labels`` (N,), unit ``centres`` (C, d), and `shape_of` it."""

    title: str
    strength: float
    raw: np.ndarray
    unit: np.ndarray
    labels: np.ndarray
    centres: np.ndarray
    shape: dict[str, float]


def trained(results: ReportData, dimension: int) -> tuple[list[Seen], str]:
    """Those toys of the plan that are kept, and in words why others are not."""
    import numpy as np

    found, lacking = [], dict[str, None]()
    for toy in planned_toys(results.plan):
        if toy.dimension != dimension:
            continue
        record = results.store.toy(toy.key)
        named = f"{toy.title} λ = {toy.strength:g}".replace("\n", " · ")
        if record is None:
            lacking[f"{named} is not trained"] = None
        elif record["why"]:
            lacking[f"{named}: {record['why']}"] = None
        else:
            raw, labels, centres = (np.asarray(record[name]) for name in ("embeddings", "labels", "centres"))
            unit = raw / np.linalg.norm(raw, axis=1, keepdims=True).clip(1e-12)
            found.append(Seen(toy.title, toy.strength, raw, unit, labels, centres, shape_of(record)))
    return found, _cells.joined(*lacking)


def table(found: list[Seen]) -> pd.DataFrame:
    """A row a sample (raw coordinates) and a row a centre (of length 1): panel, strength, kind, identity, x, y[, z]."""
    import pandas as pd

    parts = []
    for seen in found:
        for kind, rows, who in (("sample", seen.raw, seen.labels), ("centre", seen.centres, range(len(seen.centres)))):
            named = {axis: rows[:, at] for at, axis in enumerate("xyz"[: rows.shape[1]])}
            parts.append(
                pd.DataFrame(
                    {"panel": seen.title, "strength": seen.strength, "kind": kind, "identity": list(who), **named}
                )
            )
    return pd.concat(parts, ignore_index=True)


def number_at(ax: Axes, x: float, y: float, who: int) -> None:
    look: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 7, "zorder": 6}
    ax.text(x, y, str(who + 1), color="0.1", **look)


def bare(ax: Axes, reach: float) -> None:
    """A square without ticks, spines or grid."""
    ax.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", xticks=[], yticks=[])
    ax.grid(visible=False)
    for spine in ax.spines.values():
        spine.set_visible(False)
