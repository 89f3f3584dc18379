"""What the figures of a search share: its trials as a table, how objectives and parameters are called and placed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.report.figures import _plot
from bench.report.figures._plot import LINESTYLES, MARKERS, Drawing
from bench.report.labels import axis_label

if TYPE_CHECKING:
    import optuna
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

SOURCE = "this project; what is drawn follows Optuna's plot of that name"
MOST_STUDIES = 6
_KNOWN = {
    "accuracy": ("accuracy", "%", 100.0),
    "isotropy": ("isotropy", "", 1.0),
    "cost": ("cost", "multiply-adds", 1.0),
}


@dataclass(frozen=True)
class Objective:
    """What a search wants much or little of. ``scale``: from the stored value to the unit shown."""

    at: int
    label: str
    scale: float
    maximise: bool

    def best(self, values: Sequence[float]) -> float:
        return max(values) if self.maximise else min(values)


def objectives(record: Mapping[str, Any]) -> list[Objective]:
    found = []
    for at, block in enumerate(record["objectives"]):
        name, unit, scale = _KNOWN.get(block["name"], (str(block["name"]).replace("_", " "), "", 1.0))
        where = "validation " if name == "accuracy" else ""
        label = f"{where}{name} ({unit})" if unit else name
        found.append(Objective(at, label, scale, block["direction"] == "maximize"))
    return found


def studies(record: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Those that are drawn: the first six."""
    return list(record["studies"][:MOST_STUDIES])


def compared(record: Mapping[str, Any] | None) -> tuple[dict[str, Any], Objective, list[Mapping[str, Any]]] | None:
    """For what is drawn between trials: parameters by name (`Scale`), two or more, the first objective, and the studies
    with at least two complete trials; None where there are none."""
    if record is None or len(parameters := scales(record)) < 2:
        return None
    objective = objectives(record)[0]
    shown = [study for study in studies(record) if len(complete(study, objective)) > 1]
    return (parameters, objective, shown) if shown else None


def drawing(figure: Figure, record: Mapping[str, Any], data: pd.DataFrame | None = None) -> Drawing:
    """The figure, which says how many studies it leaves out, with its data: what was `tried` unless given."""
    if notes := _plot.left_out(len(studies(record)), len(record["studies"]), "studies"):
        figure.supxlabel(notes[0], fontsize=7)
    return Drawing(figure, tried(record) if data is None else data)


def title(record: Mapping[str, Any], study: Mapping[str, Any]) -> str:
    """Of a study's panel; nothing where there is one alone."""
    return f"{axis_label(record['fair'])} {study['label']}" if record["fair"] else ""


def look(index: int) -> dict[str, Any]:
    """Colour, marker and line of a study; they differ in grey, too."""
    return {"color": _plot.COLOURS[index], "marker": MARKERS[index], "linestyle": LINESTYLES[index % len(LINESTYLES)]}


def value_of(trial: Mapping[str, Any], objective: Objective) -> float | None:
    """In the unit shown: of a complete trial its value, of a pruned one its last report, None for others."""
    values = trial["values"]
    if values is None and trial["state"] == "pruned" and trial["intermediate"] and objective.at == 0:
        values = [trial["intermediate"][max(trial["intermediate"], key=int)]]
    if values is None or values[objective.at] is None or not math.isfinite(values[objective.at]):
        return None
    return float(values[objective.at]) * objective.scale


def complete(study: Mapping[str, Any], objective: Objective) -> list[Mapping[str, Any]]:
    return [
        trial for trial in study["trials"] if trial["state"] == "complete" and value_of(trial, objective) is not None
    ]


def tried(record: Mapping[str, Any]) -> pd.DataFrame:
    """A row for each trial, baseline and objective: study, number, state, objective, value (unit shown), parameters."""
    import pandas as pd

    rows = []
    for study in studies(record):
        for objective in objectives(record):
            for trial in [*([study["baseline"]] if study["baseline"] else []), *study["trials"]]:
                state = "baseline" if trial["number"] < 0 else trial["state"]
                rows.append(
                    {
                        "study": study["label"], "trial": trial["number"], "state": state,
                        "objective": objective.label, "value": value_of(trial, objective),
                        **{name: trial["params"].get(name) for name in record["space"]},
                    }
                )  # fmt: skip
    return pd.DataFrame(rows)


@dataclass(frozen=True)
class Scale:
    """How a parameter lies on an axis: choices at 0, 1, …; numbers as they are, or their decimal logarithm."""

    name: str
    block: Mapping[str, Any]

    @property
    def label(self) -> str:
        return axis_label(self.name)

    @property
    def log(self) -> bool:
        return bool(self.block.get("log"))

    @property
    def choices(self) -> list[Any] | None:
        return list(self.block["choices"]) if self.block["kind"] == "categorical" else None

    @property
    def ends(self) -> tuple[float, float]:
        if self.choices is not None:
            return -0.5, len(self.choices) - 0.5
        low, high = float(self.block["low"]), float(self.block["high"])
        return (math.log10(low), math.log10(high)) if self.log else (low, high)

    def place(self, value: Any) -> float:
        if self.choices is not None:
            return float([str(choice) for choice in self.choices].index(str(value)))
        return math.log10(value) if self.log else float(value)

    def ticks(self) -> tuple[list[float], list[str]]:
        """At most six, with their texts."""
        low, high = self.ends
        if self.choices is not None:
            return list(map(float, range(len(self.choices)))), [str(choice)[:16] for choice in self.choices]
        if self.log and math.floor(high) - math.ceil(low) >= 1:
            first, last = math.ceil(low - 1e-9), math.floor(high + 1e-9)
            step = -(-(last - first + 1) // 6)
            powers = range(first, last + 1, step)
            return [float(k) for k in powers], [f"{10.0**k:g}" if k > -3 else f"1e{k}" for k in powers]
        from matplotlib.ticker import MaxNLocator

        places = [low, (low + high) / 2, high] if self.log else list(MaxNLocator(4).tick_values(low, high))
        places = [p for p in places if low - 1e-9 <= p <= high + 1e-9]
        return places, [f"{10.0**p if self.log else p:.3g}" for p in places]

    def unit(self, value: Any) -> float:
        """Place between 0 (the low end) and 1."""
        low, high = self.ends
        return (self.place(value) - low) / (high - low) if high > low else 0.5

    def on_x(self, ax: Axes) -> None:
        ticks, texts = self.ticks()
        low, high = self.ends
        pad = 0.04 * (high - low) if self.choices is None else 0
        ax.set_xlim(low - pad, high + pad) if high > low else None
        ax.set_xticks(ticks, texts, rotation=30 if max(map(len, texts), default=0) > 6 else 0)
        ax.set_xlabel(self.label)

    def on_y(self, ax: Axes) -> None:
        ticks, texts = self.ticks()
        low, high = self.ends
        pad = 0.04 * (high - low) if self.choices is None else 0
        ax.set_ylim(low - pad, high + pad) if high > low else None
        ax.set_yticks(ticks, texts)
        ax.set_ylabel(self.label)


def scales(record: Mapping[str, Any]) -> dict[str, Scale]:
    """Every parameter that some trial has, in the space's order."""
    seen = {name for study in studies(record) for trial in study["trials"] for name in trial["params"]}
    return {name: Scale(name, block) for name, block in record["space"].items() if name in seen}


def rebuilt(record: Mapping[str, Any], study: Mapping[str, Any], objective: Objective) -> optuna.Study:
    """A study in memory with the complete trials, their values in the unit shown."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space = {name: _distribution(block) for name, block in record["space"].items()}
    made = optuna.create_study(
        direction="maximize" if objective.maximise else "minimize", sampler=optuna.samplers.RandomSampler(seed=0)
    )
    for trial in complete(study, objective):
        params = {name: value for name, value in trial["params"].items() if name in space}
        value = value_of(trial, objective)
        made.add_trial(
            optuna.trial.create_trial(params=params, distributions={name: space[name] for name in params}, value=value)
        )
    return made


def _distribution(block: Mapping[str, Any]) -> optuna.distributions.BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if block["kind"] == "categorical":
        return CategoricalDistribution(block["choices"])
    log, step = bool(block.get("log")), block.get("step")
    if block["kind"] == "int":
        return IntDistribution(int(block["low"]), int(block["high"]), log=log, step=int(step or 1))
    return FloatDistribution(float(block["low"]), float(block["high"]), log=log, step=step)


Importances = dict[str, dict[str, float]]


def importances(record: Mapping[str, Any], study: Mapping[str, Any], objective: Objective) -> Importances:
    """Method → parameter → share, for those that every complete trial has; nothing below four such trials.

    fANOVA: share of the variance of a seeded forest; PED-ANOVA: of what sets the better trials apart from all.
    """
    from optuna.importance import FanovaImportanceEvaluator, PedAnovaImportanceEvaluator, get_param_importances

    made = rebuilt(record, study, objective)
    trials = made.get_trials(deepcopy=False)
    if len(trials) < 4 or len({trial.value for trial in trials}) < 2:
        return {}
    everywhere = [name for name in record["space"] if all(name in trial.params for trial in trials)]
    varied = [name for name in everywhere if len({str(trial.params[name]) for trial in trials}) > 1]
    if not varied:
        return {}
    evaluators = {"fANOVA": FanovaImportanceEvaluator(seed=0), "PED-ANOVA": PedAnovaImportanceEvaluator()}
    found = {name: get_param_importances(made, evaluator=how, params=varied) for name, how in evaluators.items()}
    return {name: {param: float(share) for param, share in shares.items()} for name, shares in found.items()}


def baseline_value(study: Mapping[str, Any], objective: Objective) -> float | None:
    return value_of(study["baseline"], objective) if study["baseline"] else None


def draw_baseline(ax: Axes, study: Mapping[str, Any], objective: Objective, colour: str = "0.35") -> None:
    """A dashed line at the value at strength 0; its interval, known for the first objective, as a band."""
    value = baseline_value(study, objective)
    if value is None:
        return
    if study["baseline_interval"] and objective.at == 0:
        low, high = (end * objective.scale for end in study["baseline_interval"])
        ax.axhspan(low, high, color=colour, alpha=0.14, linewidth=0, zorder=0)
    ax.axhline(value, color=colour, linestyle="--", linewidth=1, zorder=1)


def shades(record: Mapping[str, Any], objective: Objective) -> ScalarMappable:
    """Values of complete trials → colour; darker is better."""
    import matplotlib as mpl
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    found = [value_of(trial, objective) or 0.0 for study in studies(record) for trial in complete(study, objective)]
    low, high = min(found), max(found)
    norm = Normalize(low, high) if high > low else Normalize(low - 1, high + 1)
    return ScalarMappable(norm, mpl.colormaps["viridis_r" if objective.maximise else "viridis"])
