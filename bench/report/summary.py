"""What the numbers say, in sentences made from them alone, and never more than their intervals allow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bench.catalog.metrics import metric
from bench.report.effects import METRIC, seed_interval
from bench.report.labels import axis_label, protocol_label, signed, telling
from bench.report.results import CANCELLED, DONE, FAILED, MISSING, execution_classes
from bench.report.table import OWN_DERIVATION

LEVEL = 0.05
"""A difference is called significant below this p, adjusted after Holm."""
FEW_SEEDS = 5
NEAR_CHANCE, NEAR_CEILING = 0.55, 0.995
"""Accuracy of verification, where guessing has one half."""
SHOWN = 3
"""Significant differences told one by one for a margin, the largest first."""


@dataclass(frozen=True)
class Summary:
    """Sentences: how the runs ended, the best of each protocol, what the term and a search did, and what limits all."""

    runs: str
    best: tuple[str, ...]
    term: tuple[str, ...]
    search: tuple[str, ...]
    caveats: tuple[str, ...]


def summarise(
    frame: pd.DataFrame,
    plan: Mapping[str, Any],
    effects: pd.DataFrame,
    search: Mapping[str, Any] | None = None,
    flags: Mapping[tuple[str, str], str] | None = None,
) -> Summary:
    """``frame``: as of `load_results`; ``effects``: as of `effects`, a row a cell and protocol.

    ``flags``: (cell, protocol) → the mark that its accuracy has in the table, ‡ near chance, † near the ceiling; None:
    the table has no such marks, and `NEAR_CHANCE` and `NEAR_CEILING` bound them.
    """
    names = cell_names(frame, plan["axes"])
    done = frame[frame["status"] == DONE]
    digits = int(plan["report"]["digits"])
    return Summary(
        _runs(frame),
        tuple(_best(done, protocol, names, digits) for protocol in _tested(done, plan)),
        tuple(_term(frame, effects, names, digits)),
        tuple(_search(search)),
        tuple(_caveats(frame, plan, effects, search, flags)),
    )


def cell_names(frame: pd.DataFrame, axes: Sequence[str]) -> dict[str, str]:
    """Cell → what tells it from the others in words, such as "iresnet, arcface, λ 0.1"."""
    first = frame.drop_duplicates("cell")
    named = telling(first, axes) or list(axes)[:1]
    return {
        str(row["cell"]): ", ".join(_said(axis, row[axis]) for axis in named if pd.notna(row[axis]))
        or str(row["margin"])
        for _, row in first.iterrows()
    }


def _said(axis: str, value: object) -> str:
    return str(value) if axis in ("backbone", "margin") else f"{axis_label(axis)} {value}"


def _runs(frame: pd.DataFrame) -> str:
    counts = frame["status"].value_counts()
    done, planned = int(counts.get(DONE, 0)), len(frame)
    lost = [f"{counts[state]} {state}" for state in (FAILED, CANCELLED, MISSING) if state in counts]
    if not done:
        return f"None of the {planned} planned runs has a result ({_joined(lost)}): there is nothing to report yet."
    cells = frame["cell"].nunique()
    seeds = frame.groupby("cell")["seed"].nunique()
    each = _number(int(seeds.min()), "seed") if seeds.min() == seeds.max() else f"{seeds.min()} to {seeds.max()} seeds"
    size = f"{_number(cells, 'configuration')}, {each} each"
    if done == planned:
        return f"All {planned} planned runs finished: {size}." if planned > 1 else f"The planned run finished: {size}."
    return (
        f"{done} of the {planned} planned runs finished ({size}); {_joined(lost)}. What has no result is in no mean; "
        "each is listed below with its reason."
    )


def _tested(done: pd.DataFrame, plan: Mapping[str, Any]) -> list[str]:
    columns = [(protocol, f"{protocol}.{METRIC}") for protocol in plan["protocols"]]
    return [protocol for protocol, column in columns if column in done and done[column].notna().any()]


def _best(done: pd.DataFrame, protocol: str, names: Mapping[str, str], digits: int) -> str:
    by_cell = (done.set_index("cell")[f"{protocol}.{METRIC}"].dropna() * 100).groupby(level=0, sort=False)
    means = by_cell.mean().sort_values(ascending=False, kind="stable")
    first = str(means.index[0])
    value = _mean_text(list(by_cell.get_group(means.index[0])), digits)
    label = protocol_label(protocol)
    if len(means) == 1:
        return f"{label}: {names[first]} reaches a mean accuracy of {value}; nothing else was measured."
    alike = [str(cell) for cell in means.index if round(means[cell], digits) == round(means.iloc[0], digits)]
    if len(alike) > 1:
        return f"{label}: the highest mean accuracy, {value}, is that of {_some([names[cell] for cell in alike])}."
    behind = means.iloc[0] - means.iloc[1]
    return (
        f"{label}: the highest mean accuracy is {value}, of {names[first]}; next is {names[str(means.index[1])]}, "
        f"{behind:.{digits}f} points lower."
    )


def _mean_text(values: Sequence[float], digits: int) -> str:
    mean, interval = sum(values) / len(values), seed_interval(values)
    if interval is None:
        return f"{mean:.{digits}f} % (one seed, so no interval)"
    low, high = max(interval[0], 0.0), min(interval[1], 100.0)
    return f"{mean:.{digits}f} % (95 % interval {low:.{digits}f} to {high:.{digits}f}, {len(values)} seeds)"


def _term(frame: pd.DataFrame, effects: pd.DataFrame, names: Mapping[str, str], digits: int) -> list[str]:
    """A paragraph a margin, in the order of the plan."""
    margins = frame.drop_duplicates("cell").set_index("cell")["margin"]
    of_margin = effects["cell"].map(margins)
    return [
        _of_margin(str(margin), effects[of_margin == margin], len(effects), names, digits)
        for margin in margins.unique()
        if (of_margin == margin).any()
    ]


def _of_margin(margin: str, part: pd.DataFrame, family: int, names: Mapping[str, str], digits: int) -> str:
    tested = part[part["p_holm"].notna()]
    shown = tested[tested["p_holm"] < LEVEL]
    open_, untested = tested[tested["p_holm"] >= LEVEL], len(part) - len(tested)
    said = [f"{margin}: {_number(len(part), 'comparison')} with the same configuration at λ = 0."]
    if len(shown):
        largest = shown.reindex(shown["effect"].abs().sort_values(ascending=False, kind="stable").index)
        told = [_difference(row, names, digits) for _, row in largest.head(SHOWN).iterrows()]
        more = [f"{len(shown) - SHOWN} more"] if len(shown) > SHOWN else []
        verb = "is" if len(shown) == 1 else "are"
        said.append(
            f"{_number(len(shown), 'difference')} {verb} significant after Holm correction over "
            f"{_number(family, 'comparison')}: {_joined([*told, *more], '; ')}."
        )
    if len(open_):
        where = "In the other " if len(shown) else "In all " if len(open_) == len(part) and len(part) > 1 else "In "
        said.append(f"{where}{len(open_)} no difference could be shown ({_span(open_, digits)}).")
    if untested:
        said.append(
            f"{untested} could not be tested, for want of seeds or of any spread among them "
            f"({_span(part[part['p_holm'].isna()], digits)}): nothing follows from them."
        )
    return " ".join(said)


def _difference(row: pd.Series[Any], names: Mapping[str, str], digits: int) -> str:
    kind = metric(str(row["metric"]))
    unit = " points" if kind.share else f" {kind.unit}".rstrip()
    word = "higher" if row["effect"] > 0 else "lower"
    interval = "" if pd.isna(row["low"]) else (
        f"95 % interval {signed(row['low'], digits)} to {signed(row['high'], digits)}, "
    )  # fmt: skip
    return (
        f"{names[str(row['cell'])]} is {abs(row['effect']):.{digits}f}{unit} {word} on "
        f"{protocol_label(str(row['protocol']))} ({interval}{_number(int(row['seeds']), 'seed')}, "
        f"adjusted p {_p(row['p_holm'])})"
    )


def _span(part: pd.DataFrame, digits: int) -> str:
    low, high = signed(part["effect"].min(), digits), signed(part["effect"].max(), digits)
    return f"mean difference {low} points" if low == high else f"mean differences from {low} to {high} points"


def _search(search: Mapping[str, Any] | None) -> list[str]:
    """What was tried and, in the record's own words, found; the table's comparison stands with what the term did."""
    if search is None:
        return []
    said = []
    budget = search.get("budget") or {}
    if "configurations" in budget:
        where = ", ".join(dict.fromkeys(str(o["where"]) for o in search["objectives"]))
        said.append(
            f"{_number(budget['configurations'], 'configuration')} in {_number(budget['trials'], 'trial')} were tried "
            f"and judged on {where}; what is reported was tested once, after the search."
        )
    said += str(search.get("text", "")).splitlines()
    return said


def _caveats(
    frame: pd.DataFrame,
    plan: Mapping[str, Any],
    effects: pd.DataFrame,
    search: Mapping[str, Any] | None,
    flags: Mapping[tuple[str, str], str] | None,
) -> list[str]:
    done = frame[frame["status"] == DONE]
    said = []
    seeds = done.groupby("cell")["seed"].nunique()
    if len(seeds) and seeds.min() < FEW_SEEDS:
        as_few = f"Some means are over {_number(int(seeds.min()), 'seed')} only" if seeds.min() < seeds.max() else (
            f"Every mean is over {_number(int(seeds.min()), 'seed')} only"
        )  # fmt: skip
        said.append(f"{as_few}: intervals are wide, or there are none, and only large differences can be shown.")
    if (effects["p_holm"] >= LEVEL).any():
        said.append("That no difference could be shown does not mean that there is none.")
    if len(seeds) > 1:
        alone = "" if search is not None and search.get("fair") else "; it was not tested against the next"
        said.append(
            f"The best of {len(seeds)} configurations was picked by the very numbers shown, "
            f"so it is likely to do worse on new data{alone}."
        )
    said += [text for protocol in _tested(done, plan) for text in _near_an_end(done, protocol, flags)]
    if (frame["status"] == FAILED).any():
        said.append("A configuration of which runs failed is judged by those that did not, which may flatter it.")
    if (gone := frame["cell"].nunique() - len(seeds)) and len(seeds):
        said.append(f"{_number(gone, 'configuration')} without any finished run cannot be judged at all.")
    if (classes := len(execution_classes(frame))) > 1:
        said.append(
            f"Runs of {classes} execution classes are mixed here: "
            "between classes numbers may differ for no other reason than the machine."
        )
    if search is not None:
        said.append("A search picks what did best on validation, so its validation numbers are optimistic.")
    if (frame["strength"] > 0).any():
        said.append(OWN_DERIVATION)
    return said


def _near_an_end(done: pd.DataFrame, protocol: str, flags: Mapping[tuple[str, str], str] | None) -> list[str]:
    means = done.groupby("cell")[f"{protocol}.{METRIC}"].mean().dropna()
    if flags is None:
        low, high = int((means < NEAR_CHANCE).sum()), int((means >= NEAR_CEILING).sum())
        rules = f"accuracy below {100 * NEAR_CHANCE:g} %", f"accuracy of {100 * NEAR_CEILING:g} % or more"
    else:
        marks = [flags.get((str(cell), protocol), "") for cell in means.index]
        low, high = marks.count("‡"), marks.count("†")
        rules = "‡ in the table", "† in the table"
    label, of = protocol_label(protocol), f"of {_number(len(means), 'configuration')}"
    said = []
    if low:
        said.append(f"{label}: {low} {of} near chance ({rules[0]}): differences among them tell nothing of a loss.")
    if high:
        said.append(f"{label}: {high} {of} near the ceiling ({rules[1]}): hardly any room is left to differ.")
    return said


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"= {value:.3f}"


def _number(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def _joined(parts: Sequence[str], by: str = ", ") -> str:
    if len(parts) < 2:
        return "".join(parts)
    return f"{by.join(parts[:-1])}{';' if by == '; ' else ''} and {parts[-1]}"


def _some(parts: Sequence[str]) -> str:
    return _joined(parts if len(parts) <= SHOWN else [*parts[:SHOWN], f"{len(parts) - SHOWN} more"], "; ")
