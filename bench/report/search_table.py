"""What a search found: validation and test numbers side by side, and what it cost to find."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from markupsafe import Markup, escape
from tabulate import tabulate

from bench.report.effects import METRIC, seed_interval
from bench.report.labels import axis_label, baseline_label, protocol_label
from bench.report.results import ReportData
from bench.report.writers import markdown_escape

OPTIMISTIC = (
    "The validation number of the best of {n} configurations is optimistic: it was chosen because it is the highest. "
    "The test numbers are those of fresh trainings on all training identities, tested once; compare these."
)
BEST, DIFFERENCE = "best", "difference"
FIXED = ("study", "what", "configuration", "validation", "validation_low", "validation_high")
COUNTS = ("seeds", "configurations", "epochs", "seconds")


def rows(data: ReportData) -> pd.DataFrame:
    """Three rows a study: its best configuration, the baseline (λ = 0 where a field of the enhancing term is searched,
    else the suite as written), and their difference; none without a search.

    Columns: `FIXED`, for each protocol its name with ``.mean``, ``.low`` and ``.high``, and `COUNTS`. Accuracies are in
    %, differences in percentage points, paired by seed; an interval is at 95 %, NaN where there is none: that of the
    validation number is over identities, that of a test number over ``seeds``. Counts are those of the study.
    """
    protocols = list(data.plan["protocols"])
    head = [*FIXED, *(f"{p}.{part}" for p in protocols for part in ("mean", "low", "high")), *COUNTS]
    record = data.search
    found = [row for study in record["studies"] for row in _study(data, record, study, protocols)] if record else []
    return pd.DataFrame(found, columns=head)


def _study(
    data: ReportData, record: Mapping[str, Any], study: Mapping[str, Any], protocols: list[str]
) -> list[dict[str, Any]]:
    final = study["final"] or {}
    chosen = _chosen(record, study)
    at = next((i for i, o in enumerate(record["objectives"]) if o["name"] == METRIC), None)
    best, base = _validation(chosen, at), _validation(study["baseline"], at)
    low, high = study["baseline_interval"] or (None, None)
    tests = {p: (_by_seed(data, final.get("best"), p), _by_seed(data, final.get("baseline"), p)) for p in protocols}
    counts = {
        "configurations": len({_said(trial["params"]) for trial in study["trials"]}),
        "epochs": sum(trial["epochs"] or 0 for trial in study["trials"]),
        "seconds": sum(trial["seconds"] or 0.0 for trial in study["trials"]),
    }
    shared = {"study": str(study["label"]), **counts}
    differing = None if best is None or base is None else best - base
    return [
        {
            **shared, "what": BEST, "configuration": _said(chosen["params"]) if chosen else "no trial was finished",
            "validation": best, **_tested({p: values[0] for p, values in tests.items()}),
        },
        {
            **shared, "what": baseline_label(record),
            "configuration": _said((study["baseline"] or {"params": {}})["params"]),
            "validation": base, "validation_low": _percent(low), "validation_high": _percent(high),
            **_tested({p: values[1] for p, values in tests.items()}),
        },
        {
            **shared, "what": DIFFERENCE, "configuration": "", "validation": differing,
            **_tested({
                p: {seed: ours[seed] - theirs[seed] for seed in ours if seed in theirs}
                for p, (ours, theirs) in tests.items()
            }),
        },
    ]  # fmt: skip


def _chosen(record: Mapping[str, Any], study: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The best trial; of a front, the one with the highest value of the first objective."""
    best = [trial for trial in study["trials"] if trial["number"] in study["best"] and trial["values"]]
    sign = 1 if record["objectives"][0]["direction"] == "maximize" else -1
    return max(best, key=lambda trial: sign * trial["values"][0], default=None)


def _validation(trial: Mapping[str, Any] | None, at: int | None) -> float | None:
    """Accuracy in % on validation identities, if it was an objective."""
    return _percent(trial["values"][at]) if trial and at is not None and trial["values"] else None


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * float(share)


def _by_seed(data: ReportData, cell: str | None, protocol: str) -> dict[int, float]:
    column = f"{protocol}.{METRIC}"
    if cell is None or column not in data.frame:
        return {}
    part = data.done[data.done["cell"] == cell].dropna(subset=[column])
    return {int(seed): 100 * float(value) for seed, value in zip(part["seed"], part[column], strict=True)}


def _tested(by_protocol: Mapping[str, Mapping[int, float]]) -> dict[str, float | int | None]:
    found: dict[str, float | int | None] = {"seeds": max(map(len, by_protocol.values()), default=0)}
    for protocol, values in by_protocol.items():
        low, high = seed_interval(list(values.values())) or (None, None)
        mean = sum(values.values()) / len(values) if values else None
        found |= {f"{protocol}.mean": mean, f"{protocol}.low": low, f"{protocol}.high": high}
    return found


def _said(params: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{axis_label(name)} {f'{value:.4g}' if isinstance(value, float) else value}" for name, value in params.items()
    )


def note(data: ReportData) -> str:
    """What a reader of the table must know."""
    budget = (data.search or {})["budget"]
    tried = f"{budget['configurations']} configurations were tried, {budget['epochs']} epochs trained"
    return f"{tried} ({budget['seconds']:.0f} s). {OPTIMISTIC.format(n=budget['configurations'])}"


def _shown(data: ReportData, table: pd.DataFrame) -> tuple[list[str], list[list[tuple[str, float | None]]]]:
    """Headings, and of each row its cells as (text, number to sort by; None for words)."""
    digits = int(data.plan["report"]["digits"])
    protocols = list(data.plan["protocols"])
    fair = (data.search or {}).get("fair")
    head = [*([axis_label(fair)] if fair else []), "", "configuration", "validation accuracy (%)"]
    head += [f"{protocol_label(p)} test accuracy (%)" for p in protocols]
    head += ["seeds", "configurations tried", "epochs trained", "seconds trained"]
    cells = []
    for _, row in table.iterrows():
        signed = row["what"] == DIFFERENCE
        interval = row["validation_low"], row["validation_high"]
        line: list[tuple[str, float | None]] = [(str(row["study"]), None)] if fair else []
        line += [(str(row["what"]), None), (str(row["configuration"]), None)]
        line.append(_number(row["validation"], *interval, digits, signed))
        line += [_number(row[f"{p}.mean"], row[f"{p}.low"], row[f"{p}.high"], digits, signed) for p in protocols]
        line.append((str(row["seeds"]), float(row["seeds"])))
        once = row["what"] == BEST
        line += [(f"{row[c]:.0f}", float(row[c])) if once else ("", None) for c in COUNTS[1:]]
        cells.append(line)
    return head, cells


def _number(value: Any, low: Any, high: Any, digits: int, signed: bool) -> tuple[str, float | None]:
    if pd.isna(value):
        return "–", None
    text = f"{value:{'+' if signed else ''}.{digits}f}".replace("-", "−")
    if not (pd.isna(low) or pd.isna(high)):
        text += f" [{low:.{digits}f}, {high:.{digits}f}]".replace("-", "−")
    return text, float(value)


def to_html(data: ReportData) -> Markup | None:
    """The table with its note; None without a search."""
    if data.search is None:
        return None
    head, cells = _shown(data, rows(data))
    lines = ['<table class="sortable search">', "<thead><tr>"]
    lines += [f'<th scope="col">{escape(name)}</th>' for name in head]
    lines.append("</tr></thead><tbody>")
    first = len(head) - len(COUNTS) - len(data.plan["protocols"]) - 1
    for row in cells:
        lines.append("<tr>")
        for at, (text, value) in enumerate(row):
            sort = "" if at < first else f' class="number" data-value="{"" if value is None else f"{value:.6g}"}"'
            lines.append(f"<td{sort}>{escape(text)}</td>")
        lines.append("</tr>")
    lines.append(f'</tbody></table><ul class="notes"><li>{escape(note(data))}</li></ul>')
    return Markup("\n".join(lines))  # every text in it is escaped above


def to_markdown(data: ReportData) -> str | None:
    """The same as Markdown; None without a search."""
    if data.search is None:
        return None
    head, cells = _shown(data, rows(data))
    words = len(head) - len(COUNTS) - len(data.plan["protocols"]) - 1
    align = ["left"] * words + ["right"] * (len(head) - words)
    body = [[markdown_escape(text) for text, _ in row] for row in cells]
    table = tabulate(body, [markdown_escape(h) for h in head], tablefmt="pipe", colalign=align, disable_numparse=True)
    return f"{table}\n\n- {markdown_escape(note(data))}\n"
