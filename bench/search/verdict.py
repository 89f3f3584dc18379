"""What a search found, in words made from its numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from statistics import fmean

from bench.evaluation.comparison import holm
from bench.evaluation.measured import Row, compare_measured
from bench.evaluation.paired import Comparison
from bench.evaluation.stored import CellRuns, Readings, StoredRun
from bench.scheduling.plan import Plan
from bench.search.course import in_words
from bench.search.found import Found, worse_in
from bench.search.subject import block_of, searches_term, shown
from bench.store import Store

Interval = tuple[float, float] | None
Cells = Sequence[tuple[str, str | None]]
METRIC = "accuracy"


def verdict(
    store: Store, founds: Sequence[Found], intervals: Sequence[Interval], plan: Plan, cells: Cells, *, fair: bool
) -> str:
    """A few lines: what was tried and is best on validation identities, what the test sets say, how that was told."""
    if fair:
        return "\n".join([_fair_validation(founds), *_fair_tests(store, founds, plan, cells)])
    return "\n".join([_validation(founds[0], intervals[0]), *_tests(store, plan, cells[0])])


def _validation(found: Found, interval: Interval) -> str:
    objectives = block_of(found.subject.suite).objectives
    best, base = found.chosen, found.baseline
    tried = len({trial.runs for trial in found.trials if trial.runs})
    text = f"{_counted(found)} of {tried} configuration{'s' * (tried != 1)}; "
    if len(objectives) > 1:
        text += f"{len(found.best)} of them are best in some balance of {', '.join(objectives)}; retrained: "
    else:
        text += "best: "
    text += f"{configuration(found)} with {in_words(objectives, list(best.values or ()))} on validation identities; "
    text += f"{_baseline(found)}: {in_words(objectives, list(base.values or ()))}"
    if interval is not None:
        low, high = interval
        text += f" (95 % bootstrap interval of the accuracy {100 * low:.2f} to {100 * high:.2f} %)"
    text += "."
    if worse := worse_in(best, base, objectives):
        text += f" None of the best is as good as {_baseline(found)} in {' and '.join(worse)}."
    if interval is not None and objectives[0] == "accuracy":
        inside = interval[0] <= (best.values or (0.0,))[0] <= interval[1]
        says = "is not distinguishable from" if inside else "lies outside the interval of"
        text += f" The best {says} {_baseline(found)} on validation identities, where it was chosen."
    return text


def _counted(found: Found) -> str:
    states = [trial.state for trial in found.trials]
    aside = [f"{states.count(state)} {state}" for state in ("pruned", "failed", "running") if state in states]
    return f"{len(states)} trials" + (f" ({', '.join(aside)})" if aside else "")


def _baseline(found: Found) -> str:
    return "λ = 0" if searches_term(found.subject) else "the suite's own configuration"


def configuration(found: Found) -> str:
    """``enhancement.strength 0.0123, margin.m 0.4``: what was chosen."""
    fields = found.subject.fields
    return ", ".join(f"{name} {shown(fields[name], value)}" for name, value in found.chosen.values_of.items())


def _tests(store: Store, plan: Plan, cells: tuple[str, str | None]) -> list[str]:
    """A sentence for each protocol that both cells were tested on, and one that says how they were compared."""
    best, baseline, known = cell_of(store, plan, cells[0]), cell_of(store, plan, cells[1]), Readings()
    found = _compared(known, plan, [("", best, baseline)])
    lines = []
    for (_, protocol), one in found.items():
        rows = known.row(best, protocol, METRIC), known.row(baseline, protocol, METRIC)
        ours, theirs = (_mean({seed: row[seed] for seed in rows[0].keys() & rows[1].keys()}) for row in rows)
        lines.append(
            f"{protocol}, retrained over {one.n['seeds']} fresh seeds: {ours:.2f} % against {theirs:.2f} % of the "
            f"baseline ({_difference(one)})."
        )
    return [*lines, *_method(found)]


def cell_of(store: Store, plan: Plan, cell: str | None) -> CellRuns:
    """A cell of the final comparison with its runs."""
    runs = {run.seed: StoredRun(store, run.run, run.evaluations) for run in plan.runs if run.cell == cell}
    return CellRuns(str(cell), runs)


def _fair_validation(founds: Sequence[Found]) -> str:
    objectives = block_of(founds[0].subject.suite).objectives
    finished = {sum(t.state == "complete" for t in found.trials) for found in founds}
    seconds = ", ".join(f"{f.subject.label} {sum(t.seconds or 0 for t in f.trials):.0f} s" for f in founds)
    epochs = ", ".join(sorted({str(f.subject.cell({}).recipe.epochs) for f in founds}))
    won = "; ".join(f"{f.subject.label}: {in_words(objectives, list(f.chosen.values or ()))}" for f in founds)
    return (
        f"Each of {len(founds)} values was searched with {' or '.join(map(str, sorted(finished)))} trials of {epochs} "
        f"epochs, none pruned (trained for: {seconds}). Best on validation identities: {won}."
    )


def _fair_tests(store: Store, founds: Sequence[Found], plan: Plan, cells: Cells) -> list[str]:
    """For each protocol the winners by their means, and which of all pairs of them are told apart.

    Every pair on every protocol is compared, whoever came first: leaving out those that the test sets make look alike
    would be choosing by them.
    """
    known = Readings()
    tested = {f.subject.label: cell_of(store, plan, best) for f, (best, _) in zip(founds, cells, strict=True)}
    pairs = [(f"{one} − {other}", tested[one], tested[other]) for one, other in combinations(tested, 2)]
    found = _compared(known, plan, pairs)
    sentences = []
    for protocol in dict.fromkeys(protocol for _, protocol in found):
        rows = {label: known.row(cell, protocol, METRIC) for label, cell in tested.items()}
        means = {label: _mean(row) for label, row in rows.items() if row}
        seeds = max(len(row) for row in rows.values())
        told = ", ".join(f"{label} {means[label]:.2f} %" for label in sorted(means, key=lambda label: -means[label]))
        sentences.append(f"{protocol}, tuned winners retrained over {seeds} fresh seeds: {told}.")
    clear = [f"{name} on {protocol} ({_difference(one)})" for (name, protocol), one in found.items() if _clear(one)]
    if found:
        which = f": {'; '.join(clear)}" if clear else ", so their order may be chance"
        sentences.append(
            f"Of {len(found)} differences between two winners on a protocol {len(clear) or 'none'} "
            f"{'is' if len(clear) < 2 else 'are'} told from 0 at 5 % after Holm's correction{which}."
        )
    return [*sentences, *_method(found)]


def _compared(
    known: Readings, plan: Plan, pairs: Sequence[tuple[str, CellRuns, CellRuns]]
) -> dict[tuple[str, str], Comparison]:
    """(pair, protocol) → first minus second in percentage points, with ``p_holm`` over all of them."""
    found = {}
    for protocol in dict.fromkeys(name for run in plan.runs for name in run.evaluations):
        for name, one, other in pairs:
            ours, theirs = known.row(one, protocol, METRIC), known.row(other, protocol, METRIC)
            if ours.keys() & theirs.keys():
                found[name, protocol] = compare_measured(ours, theirs, METRIC)
    adjusted = holm([one.p for one in found.values()])
    return {key: replace(one, p_holm=p) for (key, one), p in zip(found.items(), adjusted, strict=True)}


def _mean(row: Row) -> float:
    return 100 * fmean(one.value for one in row.values())


def _clear(found: Comparison) -> bool:
    return found.p_holm is not None and found.p_holm < 0.05


def _difference(found: Comparison) -> str:
    """The mean difference with what is known of it."""
    text = f"difference {found.effect:+.2f} points"
    if found.low is not None and found.high is not None:
        text += f", 95 % interval {found.low:+.2f} to {found.high:+.2f}"
    if found.p_holm is not None:
        p = "< 0.001" if found.p_holm < 0.001 else f"= {found.p_holm:.3f}"
        text += f", adjusted p {p}" + ("" if _clear(found) else ", not distinguishable from 0")
    return text.replace("-", "−")


def _method(found: Mapping[tuple[str, str], Comparison]) -> list[str]:
    """How differences were told, where there are any."""
    methods = "; or ".join(sorted({one.method for one in found.values()}))
    words = f"Differences are paired by seed ({methods}), p is adjusted over these {len(found)} (Holm)."
    return [words] if found else []
