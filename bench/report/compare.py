"""`bench compare`: two suites, runs or sets of cells, pair by pair, with intervals and in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from bench.catalog.metrics import metric as described
from bench.errors import BenchError, DataError, StoreError, unknown_name
from bench.evaluation.comparison import compare_rows, holm
from bench.evaluation.paired import Comparison, PairedScores
from bench.evaluation.stored import CellRuns, Readings, StoredRun, compare_cells
from bench.records import canonical
from bench.report.labels import signed
from bench.report.people import people_of
from bench.report.sides import CellOf, Side, check_alike
from bench.store import Store

METRIC = "accuracy"
LEVEL = 0.95
NO_SCORES_CHANGE = ("far", "all_pairs_far", "ranks", "fpir", "bootstrap")
"""Options of an evaluation that say what is measured, and leave every score as it is."""

Runs = Mapping[int, Mapping[str, Any]]
"""Seed → a finished run as the plan has it."""
Using = Callable[[Store, Runs, Runs, str, str], Comparison]
"""Compares the runs of two rows, which have the same seeds, on a protocol by a metric; shares in percentage points."""


@dataclass(frozen=True)
class Line:
    """A against B on one protocol: ``found`` is A minus B, ``words`` the verdict."""

    a: str
    b: str
    cells: tuple[str, str]
    protocol: str
    metric: str
    seeds: tuple[int, ...]
    found: Comparison
    words: str

    def record(self) -> dict[str, Any]:
        return {**asdict(self), "found": {**asdict(self.found), "n": dict(self.found.n)}}


@dataclass(frozen=True)
class Compared:
    """All lines, Holm over them; ``unmatched``: what was left out and why; ``warnings``: what else differs."""

    lines: tuple[Line, ...]
    unmatched: tuple[str, ...]
    warnings: tuple[str, ...]


def compare(
    store: Store, a: Side, b: Side, *, metrics: Sequence[str] = (METRIC,), protocols: Sequence[str] = (),
    using: Using | None = None,
) -> Compared:  # fmt: skip
    """A minus B, paired by seed, for each pair of cells that agree in their axes, and each protocol and metric.

    ``protocols``: none for all that both were tested on. Two runs are compared whatever their seeds: the interval holds
    for these two networks only. Raises BenchError where nothing can be compared, or the tests were not the same.
    """
    check_alike(a, b)
    pairs, unmatched = _matched(a, b)
    using, found = using or quickest, list[tuple[Line, CellOf, CellOf]]()
    for one, other in pairs:
        seeds = sorted(one.runs.keys() & other.runs.keys())
        runs = {s: one.runs[s] for s in seeds}, {s: other.runs[s] for s in seeds}
        if a.kind == "run" and one.runs and other.runs:
            (mine,), (theirs,) = one.runs.values(), other.runs.values()
            seeds, runs = [0], ({0: mine}, {0: theirs})
        if not seeds:
            unmatched.append(f"{one.name} and {other.name} have no finished seed in common")
            continue
        for protocol in _protocols(*runs, protocols):
            check_same_test(*runs, protocol)
            for metric in metrics:
                compared = using(store, *runs, protocol, metric)
                own = tuple(r["seed"] for r in runs[0].values())
                names = (a.word, b.word) if len(pairs) == 1 else (f"{a.word} [{one.name}]", f"{b.word} [{other.name}]")
                line = Line(*names, (one.cell, other.cell), protocol, metric, own, compared, "")
                found.append((line, one, other))
    if not found:
        raise BenchError(f"nothing of {a.word} and {b.word} can be compared: {'; '.join(unmatched) or 'no protocol'}")
    adjusted = holm([line.found.p for line, _, _ in found])
    lines = [
        replace(line, found=replace(line.found, p_holm=p)) for (line, _, _), p in zip(found, adjusted, strict=True)
    ]
    worded = tuple(replace(line, words=verdict(line.found, line.metric, len(lines))) for line in lines)
    return Compared(worded, tuple(unmatched), tuple(_warnings(store, [(one, other) for _, one, other in found])))


def quickest(store: Store, a: Runs, b: Runs, protocol: str, metric: str) -> Comparison:
    """`compare_cells` where every evaluation kept the replicates of its interval, else `from_scores`."""
    one, other = _cell_runs(store, "A", a), _cell_runs(store, "B", b)
    readings = Readings()
    kept = [m.replicates for side in (one, other) for m in readings.row(side, protocol, metric).values()]
    if len(kept) == len(a) + len(b) and all(replicates is not None for replicates in kept):
        return compare_cells(one, other, protocol, metric, level=LEVEL, readings=readings)
    return from_scores(store, a, b, protocol, metric)


def _cell_runs(store: Store, name: str, runs: Runs) -> CellRuns:
    return CellRuns(name, {seed: StoredRun(store, run["run"], run["evaluations"]) for seed, run in runs.items()})


def from_scores(store: Store, a: Runs, b: Runs, protocol: str, metric: str) -> Comparison:
    """`compare_rows` of the stored scores of all pairs; of a metric that is not one of scores, Student's t over seeds.

    Raises DataError where the people of the protocol are not known, StoreError for broken or missing arrays.
    """
    if protocol == "train" or not _of_scores(metric):
        return _over_seeds(store, a, b, protocol, metric)
    ours, theirs = _arrays(store, a, protocol), _arrays(store, b, protocol)
    first = ours[0]
    for arrays in (*ours[1:], *theirs):
        if not np.array_equal(arrays["same"], first["same"]):
            raise DataError(f"{protocol}: the runs were not tested on the same pairs")
    first_run = next(iter(a.values()))
    if "protocols" not in first_run:
        raise DataError(
            f"the plan of run {first_run['run']} was written by an older version and does not say on which data it was "
            "tested; `bench run SUITE` mends it"
        )
    people = people_of(store, first_run["protocols"][protocol])
    scores = [np.stack([arrays["scores"] for arrays in side]) for side in (ours, theirs)]
    rows = PairedScores(scores[0], scores[1], first["same"].astype(bool), people.pairs, first.get("fold"))
    found = compare_rows(rows, metric, level=LEVEL)
    return found if people.named else replace(found, method=f"{found.method}; people made up from genuine pairs")


def check_same_test(a: Runs, b: Runs, protocol: str) -> None:
    """Raises BenchError where two rows were not tested on the same data, or their scores were made otherwise."""
    for one, other in zip(a.values(), b.values(), strict=True):
        mine, theirs = (run.get("protocols", {}).get(protocol) for run in (one, other))
        if mine != theirs:
            raise BenchError(
                f"{protocol} is not one test: {str(mine)[:12]}… for run {one['run'][:8]} and {str(theirs)[:12]}… for "
                f"run {other['run'][:8]}; what was measured on different data cannot be compared pair by pair"
            )
        options = [run.get("options", {}) for run in (one, other)]
        wrong = [k for k in {**options[0], **options[1]} if options[0].get(k) != options[1].get(k)]
        if wrong := [key for key in wrong if key not in NO_SCORES_CHANGE]:
            said = ", ".join(f"evaluation.{k} is {options[0].get(k)} and {options[1].get(k)}" for k in wrong)
            raise BenchError(f"{protocol}: runs {one['run'][:8]} and {other['run'][:8]} were tested otherwise: {said}")


def verdict(found: Comparison, metric: str, of: int) -> str:
    """What a comparison says of A, in words. ``of``: how many comparisons the table has."""
    style = described(metric)
    unit = {"percentage points": " points", "": f" {style.unit}".rstrip()}.get(found.unit, f" {found.unit}")
    digits = 2 if found.unit == "percentage points" else 4
    more = f"{style.label} of A is {abs(found.effect):.{digits}f}{unit} {'higher' if found.effect > 0 else 'lower'}"
    if found.effect == 0:
        more = f"{style.label} of A and B is the same"
    if found.low is None or found.high is None or found.p is None:
        return f"{more}; one network each or no spread, so nothing says how far this goes beyond them"
    interval = f"{100 * found.level:g} % interval {signed(found.low, digits)} to {signed(found.high, digits)}"
    these = " Holds for these two networks only." if found.n.get("seeds") == 1 else ""
    p = found.p if found.p_holm is None else found.p_holm
    if p <= 1 - found.level:
        better = style.higher is not None and ("better" if (found.effect > 0) == style.higher else "worse")
        return f"{more} ({interval}): a difference is shown{f', A is {better}' if better else ''}.{these}"
    if found.p <= 1 - found.level:
        return (
            f"{more} ({interval}): not shown, for of {of} comparisons some look so by chance (Holm p {p:.2g}).{these}"
        )
    most = max(abs(found.low), abs(found.high))
    return f"{more} ({interval}): no difference is shown; one beyond {most:.{digits}f}{unit} is unlikely.{these}"


def _matched(a: Side, b: Side) -> tuple[list[tuple[CellOf, CellOf]], list[str]]:
    """Pairs of cells that agree in their axes, those aside that the words themselves set; and what is left over."""
    if len(a.cells) == len(b.cells) == 1:
        return [(a.cells[0], b.cells[0])], []
    others = {b.key(cell): cell for cell in b.cells}
    pairs = [(cell, others[a.key(cell)]) for cell in a.cells if a.key(cell) in others]
    mine, theirs = {one.cell for one, _ in pairs}, {other.cell for _, other in pairs}
    left = [f"{a.word} has {cell.name}, {b.word} has not" for cell in a.cells if cell.cell not in mine]
    left += [f"{b.word} has {cell.name}, {a.word} has not" for cell in b.cells if cell.cell not in theirs]
    return pairs, left


def _protocols(a: Runs, b: Runs, asked: Sequence[str]) -> list[str]:
    tested = [run["evaluations"].keys() for run in (*a.values(), *b.values())]
    both = [name for name in tested[0] if all(name in names for names in tested)]
    for name in asked:
        if name not in both:
            raise BenchError(unknown_name("protocol of both", name, both))
    return list(asked) or [name for name in both if name != "train"]


def _of_scores(metric: str) -> bool:
    from bench.evaluation.paired_bootstrap import METRICS

    return metric in METRICS or metric.startswith("tar_at_far_")


def _arrays(store: Store, runs: Runs, protocol: str) -> list[dict[str, np.ndarray]]:
    found = []
    for run in runs.values():
        arrays = store.evaluation_arrays(run["run"], run["evaluations"][protocol])
        if "scores" not in arrays:
            raise StoreError(f"run {run['run']}: its scores on {protocol} are not here; import an export that has them")
        found.append(arrays)
    return found


def _over_seeds(store: Store, a: Runs, b: Runs, protocol: str, metric: str) -> Comparison:
    """Of metrics that no resampling of people was made for: the noise of the test set is not in the interval."""
    from scipy.stats import ttest_1samp

    values = [[_value(store, run, protocol, metric) for run in side.values()] for side in (a, b)]
    style = described(metric)
    differences = (np.array(values[0]) - np.array(values[1])) * style.scale
    unit, n = "percentage points" if style.share else style.unit, {"seeds": len(differences)}
    effect = float(differences.mean())
    if len(differences) < 2 or np.ptp(differences) == 0:
        return Comparison("difference of these networks", effect, None, None, None, LEVEL, None, n, unit)
    tested = ttest_1samp(differences, 0)
    low, high = tested.confidence_interval(LEVEL)
    se = float(differences.std(ddof=1) / np.sqrt(len(differences)))
    method = "paired t over seeds"
    return Comparison(method, effect, se, float(low), float(high), LEVEL, float(tested.pvalue), n, unit)


def _value(store: Store, run: Mapping[str, Any], protocol: str, metric: str) -> float:
    metrics = store.metrics(run["run"], run["evaluations"][protocol]) or {}
    value = metrics.get(metric)
    if value is None:
        known = [name for name, found in metrics.items() if found is not None]
        raise DataError(f"run {run['run']}, {protocol}: {unknown_name('measured metric', metric, known)}")
    return value


def _warnings(store: Store, pairs: Sequence[tuple[CellOf, CellOf]]) -> Iterator[str]:
    """What may be behind a difference beside what the sides are compared for."""
    runs = [[run for pair in pairs for run in pair[side].runs.values()] for side in (0, 1)]
    data = [sorted({str(run["config"]["train"]["digest"])[:12] for run in side}) for side in runs]
    if data[0] != data[1]:
        yield f"trained on different data: A on {', '.join(data[0])}, B on {', '.join(data[1])}"
    results = [{run["run"]: store.outcome(run["run"]) or {} for run in side}.values() for side in runs]
    classes = {canonical(result.get("execution_class", {})) for side in results for result in side}
    if len(classes) > 1:
        yield f"trained in {len(classes)} execution classes, between which equal configurations give unequal bits"
    if any(result.get("environment", {}).get("dirty") for side in results for result in side):
        yield "some were trained by code with changes that no commit holds"
