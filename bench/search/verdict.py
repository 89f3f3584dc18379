"""What a search found, in words made from its numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from bench.scheduling.plan import Plan
from bench.search.course import in_words
from bench.search.found import Found, worse_in
from bench.search.subject import block_of, searches_term, shown
from bench.store import Store

Interval = tuple[float, float] | None
Cells = Sequence[tuple[str, str | None]]


def verdict(
    store: Store, founds: Sequence[Found], intervals: Sequence[Interval], plan: Plan, cells: Cells, *, fair: bool
) -> str:
    """A few sentences: what was tried, what is best on validation identities, and what the test sets say of it."""
    if fair:
        return " ".join([_fair_validation(founds), *_fair_tests(store, founds, plan, cells)])
    return " ".join([_validation(founds[0], intervals[0]), *_tests(store, plan, cells[0])])


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
    aside = [f"{states.count(state)} {state}" for state in ("pruned", "failed") if state in states]
    return f"{len(states)} trials" + (f" ({', '.join(aside)})" if aside else "")


def _baseline(found: Found) -> str:
    return "λ = 0" if searches_term(found.subject) else "the suite's own configuration"


def configuration(found: Found) -> str:
    """``enhancement.strength 0.0123, margin.m 0.4``: what was chosen."""
    fields = found.subject.fields
    return ", ".join(f"{name} {shown(fields[name], value)}" for name, value in found.chosen.values_of.items())


def _tests(store: Store, plan: Plan, cells: tuple[str, str | None]) -> list[str]:
    """A sentence for each protocol that both cells were tested on."""
    best, baseline = _accuracies(store, plan, cells[0]), _accuracies(store, plan, cells[1])
    sentences = []
    for protocol, ours in best.items():
        theirs = baseline.get(protocol, {})
        both = sorted(ours.keys() & theirs.keys())
        if both:
            difference = _difference([ours[seed] - theirs[seed] for seed in both])
            sentences.append(
                f"{protocol}, retrained over {len(both)} fresh seeds: "
                f"{100 * fmean(ours[seed] for seed in both):.2f} % against "
                f"{100 * fmean(theirs[seed] for seed in both):.2f} % of the baseline ({difference})."
            )
    return sentences


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
    """For each protocol who is best over seeds, and who is not distinguishable from it."""
    tested = {f.subject.label: _accuracies(store, plan, best) for f, (best, _) in zip(founds, cells, strict=True)}
    sentences = []
    for protocol in dict.fromkeys(name for of_label in tested.values() for name in of_label):
        means = {label: fmean(found[protocol].values()) for label, found in tested.items() if found.get(protocol)}
        if len(means) < 2:
            continue
        first = max(means, key=lambda label: means[label])
        told = []
        for label in sorted(means.keys() - {first}, key=lambda label: -means[label]):
            ours, theirs = tested[first][protocol], tested[label][protocol]
            both = sorted(ours.keys() & theirs.keys())
            difference = _difference([ours[seed] - theirs[seed] for seed in both])
            told.append(f"{label} {100 * means[label]:.2f} % ({difference})")
        sentences.append(f"{protocol}, tuned winners retrained: {first} {100 * means[first]:.2f} %; {'; '.join(told)}.")
    return sentences


def _accuracies(store: Store, plan: Plan, cell: str | None) -> Mapping[str, Mapping[int, float]]:
    """Protocol → seed → accuracy of the cell's tested runs."""
    found: dict[str, dict[int, float]] = {}
    for run in plan.runs:
        for protocol, evaluation in run.evaluations.items() if run.cell == cell else ():
            accuracy = (store.metrics(run.run, evaluation) or {}).get("accuracy")
            if accuracy is not None:
                found.setdefault(protocol, {})[run.seed] = accuracy
    return found


def _difference(differences: Sequence[float]) -> str:
    """The mean difference, with Student's t interval over seeds, which are paired."""
    import numpy as np
    from scipy.stats import t

    values = 100 * np.asarray(differences)
    text = f"difference {values.mean():+.2f} points"
    if len(values) < 2:
        return text
    half = float(t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    low, high = values.mean() - half, values.mean() + half
    clear = "" if low > 0 or high < 0 else ", not distinguishable from 0"
    return f"{text}, 95 % interval {low:+.2f} to {high:+.2f} over seeds{clear}"
