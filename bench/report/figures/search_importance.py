"""How much of what trials reached each parameter explains."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.catalog import FIGURES
from bench.report.figures._plot import Drawing
from bench.report.figures._search import (
    complete,
    drawing,
    importances,
    look,
    objectives,
    scales,
    studies,
    title,
)  # fmt: skip

if TYPE_CHECKING:
    from bench.report.results import ReportData


@FIGURES.register(
    "search_importance",
    summary="Search: importance of the parameters that every complete trial has, by fANOVA (share of the variance of a "
    "seeded forest) and by PED-ANOVA (what sets the better trials apart)",
    source="Hutter et al., ICML 2014; Watanabe et al., IJCAI 2023; both as Optuna has them",
)
def draw(results: ReportData) -> Drawing | None:
    import pandas as pd
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    record = results.search
    if record is None or len(parameters := scales(record)) < 2:
        return None
    panels, rows = [], []
    for at, study in enumerate(studies(record)):
        for objective in objectives(record):
            found = importances(record, study, objective)
            if not found:
                continue
            panels.append((at, study, objective, found))
            rows += [
                {"study": study["label"], "objective": objective.label, "parameter": name, "method": method,
                 "importance": share, "trials": len(complete(study, objective))}
                for method, shares in found.items() for name, share in shares.items()
            ]  # fmt: skip
    if not panels:
        return None
    across = min(2, len(panels))
    down = -(-len(panels) // across)
    most = max(len(found["fANOVA"]) for *_, found in panels)
    figure = Figure(figsize=(7.0 if across > 1 else 4.6, 0.6 + down * (0.75 + 0.3 * most)))
    axes = figure.subplots(down, across, squeeze=False)
    for ax, (at, study, objective, found) in zip(axes.flat, panels, strict=False):
        names = sorted(found["fANOVA"], key=lambda name: (found["fANOVA"][name], name))
        places = range(len(names))
        colour = look(at)["color"]
        for shift, (method, fill) in zip((0.19, -0.19), (("fANOVA", colour), ("PED-ANOVA", "white")), strict=True):
            shares = [found[method].get(name, 0.0) for name in names]
            ax.barh([p + shift for p in places], shares, 0.36, color=fill, edgecolor=colour, linewidth=1,
                    hatch="" if method == "fANOVA" else "////")  # fmt: skip
            for place, share in zip(places, shares, strict=True):
                ax.text(share + 0.015, place + shift, f"{share:.2f}", va="center", fontsize=7)
        ax.set_yticks(list(places), [parameters[name].label for name in names])
        ax.set_xlim(0, 1.12)
        ax.set_xticks([0, 0.25, 0.5, 0.75, 1])
        ax.grid(visible=False, axis="y")
        of = f"{len(complete(study, objective))} complete trials, {objective.label}"
        ax.set_title("\n".join(filter(None, [title(record, study), of])))
    for ax in axes[-1, :]:
        ax.set_xlabel("importance (share)")
    for ax in axes.flat[len(panels) :]:
        ax.remove()
    handles = [Patch(facecolor="0.4", edgecolor="0.4", label="fANOVA"),
               Patch(facecolor="white", edgecolor="0.4", hatch="////", label="PED-ANOVA")]  # fmt: skip
    figure.legend(handles=handles, loc="outside lower center", ncol=2, frameon=False)
    return drawing(figure, record, pd.DataFrame(rows))
