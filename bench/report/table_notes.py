"""What stands under a table: what its numbers are, what its marks mean, what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from bench.report.flags import RULES
from bench.report.results import ReportData, execution_classes

if TYPE_CHECKING:
    from bench.report.table import Entry, Table

OWN_DERIVATION = (
    "The gradient-enhancing term is this project's own derivation from the published abstract; "
    "it is not the equation of arXiv 2107.03352, and no number here reproduces that paper's."
)


def notes_of(table: Table, data: ReportData) -> tuple[str, ...]:
    entries = [entry for row in table.rows for entry in row.entries]
    rules = dict.fromkeys(f"{c.style.rule[0].upper()}{c.style.rule[1:]}." for c in table.columns if c.style.rule)
    told = (f"Data: {note}." for note in data.plan.get("notes", ()))
    return (
        _spread(table),
        *_differences(table, entries),
        *rules,
        *(rule for flag, rule in RULES.items() if any(entry.flag == flag for entry in entries)),
        *_gaps(table, entries),
        *_lost(table),
        *_mixed(data),
        *told,
        *([OWN_DERIVATION] if (data.frame["strength"] > 0).any() else []),
    )


def _spread(table: Table) -> str:
    interval = f"half the {100 * table.level:.4g} % interval of the mean (Student's t over n seeds)"
    after = interval if table.spread == "interval" else "standard deviation over n seeds (ddof 1)"
    return f"Mean ± {after}; n = 1 has no ±. Best bold, second underlined."


def _differences(table: Table, entries: list[Entry]) -> Iterator[str]:
    if not any(column.has_delta for column in table.columns):
        return
    yield "Δ: mean over seeds of the difference to the same cell and seed at λ = 0, of shares in percentage points."
    tested = sum(entry.verdict != "" for entry in entries)
    if tested:
        alpha = f"{100 * (1 - table.level):.4g} %"
        yield (
            f"* Δ differs from 0 at {alpha} after Holm's correction over all differences to baselines that this suite "
            f"tests; ° tested and not so, which does not show that there is no difference. {_method(table)}"
        )
    if any(entry.delta is not None and entry.n == 1 for entry in entries):
        yield (
            "A Δ of one seed has no mark: what can be said of it holds for these two networks only, "
            "not for training them again."
        )


def _method(table: Table) -> str:
    methods = sorted({entry.method for row in table.rows for entry in row.entries if entry.verdict})
    return f"Method: {'; or '.join(methods)}." if methods else ""


def _gaps(table: Table, entries: list[Entry]) -> Iterator[str]:
    unmeasured = [
        column.heading
        for i, column in enumerate(table.columns)
        if any(row.entries[i].mean is None and row.entries[i].done for row in table.rows)
    ]
    if unmeasured:
        yield (
            f"n/m: not measurable ({', '.join(unmeasured)}): the protocol has too few pairs, "
            "impostor pairs for the rate asked for, say."
        )
    if any(entry.mean is None and not entry.done for entry in entries):
        yield "–: no finished run that was tested on this protocol."
    if any(0 < entry.n < entry.done for entry in entries):
        yield "(n=…): measurable in fewer seeds than were trained."


def _lost(table: Table) -> Iterator[str]:
    failed, missing = sum(row.failed for row in table.rows), sum(row.missing for row in table.rows)
    cancelled = sum(row.cancelled for row in table.rows)
    if failed or missing or cancelled:
        lost = f"{failed} failed{f', {cancelled} cancelled' if cancelled else ''} and {missing} missing run(s)"
        yield f"{lost} are left out of the means; the page lists each."


def _mixed(data: ReportData) -> Iterator[str]:
    classes = len(execution_classes(data.frame))
    if classes > 1:
        yield (
            f"Runs of {classes} execution classes are mixed here: equal bits are promised within a class only. "
            "The page names them; `bench run --same-class` trains all in one."
        )
