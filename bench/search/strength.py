"""Searching the enhancement strength on validation identities, then one honest comparison with λ = 0.

The search never opens a reported protocol: its trials are planned with an empty list of protocols. Optuna proposes
and prunes; trials are runs of the same store and scheduler, so one that was trained before costs nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.data.cache import cache_root
from bench.data.resolve import PreparedData, prepare
from bench.errors import BenchError
from bench.records import write_json
from bench.scheduling.execute import Executor
from bench.scheduling.jobs import Event, Job
from bench.scheduling.plan import Plan, PlannedRun, Tell, plan_run
from bench.scheduling.suite_run import make_executor, make_jobs
from bench.store import Store
from bench.suite.data_block import Validation
from bench.suite.schema import Cell, Enhancement
from bench.suite.search_block import SearchBlock
from bench.suite.suite import Suite

if TYPE_CHECKING:
    import optuna

NAME = "enhancement.strength"


@dataclass(frozen=True)
class Trial:
    """One strength that was tried: validation accuracy (share) at its last epoch, None if it was pruned or failed."""

    number: int
    strength: float
    state: str
    accuracy: float | None
    run: str


@dataclass(frozen=True)
class Found:
    """What a search found: its trials, the baseline's validation accuracy, and the best trial."""

    trials: tuple[Trial, ...]
    baseline: Trial
    best: Trial


def checked(suite: Suite) -> tuple[Cell, SearchBlock]:
    """The one cell of a search suite. Raises BenchError if the suite cannot be searched."""
    if suite.search is None:
        raise BenchError(f"{suite.file}: has no `search` block")
    if len(suite.cells) != 1:
        raise BenchError(f"{suite.file}: a search needs one cell, found a grid of {len(suite.cells)}")
    cell = suite.cells[0].cell
    if not cell.data.validation.identities:
        raise BenchError(f"{suite.file}: data.validation.identities must be above 0: trials are scored on them alone")
    return cell, suite.search


def with_strength(cell: Cell, strength: float) -> Cell:
    """The cell at another strength; 0 is the base loss."""
    term = cell.enhancement or Enhancement()
    return cell.model_copy(update={"enhancement": term.model_copy(update={"strength": strength}) if strength else None})


def blinded(cell: Cell) -> Cell:
    """The cell without any protocol: what a trial may see."""
    data = cell.data.model_copy(update={"protocols": []})
    evaluation = cell.evaluation.model_copy(update={"train_geometry": False})
    return cell.model_copy(update={"data": data, "evaluation": evaluation})


def search(
    suite: Suite, store: Store, *, trials: int | None = None, executor: Executor | None = None,
    tell: Tell | None = None, on_event: Callable[[Event], None] = lambda event: None,
) -> Found:  # fmt: skip
    """Runs trials until ``trials`` (default: the suite's) are finished, going on from earlier calls."""
    import optuna

    cell, block = checked(suite)
    blind = blinded(cell)
    data = prepare(blind.data, tell=tell)
    seed = suite.seeds[0]
    study = _study(suite, block, store, blind, data)
    executor = executor or make_executor(suite.executor, blind.recipe.threads)
    running: dict[str, list[optuna.Trial]] = {}
    processes = suite.executor.processes
    baseline = plan_run(with_strength(blind, 0.0), seed, data, {NAME: "0"}, processes)

    def jobs() -> Iterator[Job]:
        if store.result(baseline.run) is None:
            yield from make_jobs([baseline], store)
        while len(_finished(study)) + sum(map(len, running.values())) < (trials or block.trials):
            trial = study.ask()
            strength = trial.suggest_float(NAME, block.low, block.high, log=True)
            run = plan_run(with_strength(blind, strength), seed, data, {NAME: f"{strength:.3g}"}, processes)
            trial.set_user_attr("run", run.run)
            done = store.result(run.run)
            if done is not None:
                study.tell(trial, done["validation"]["accuracy"])
                continue
            running.setdefault(run.run, []).append(trial)
            yield from make_jobs([run], store, ask=True)

    def hear(event: Event) -> str | None:
        on_event(event)
        current = running.get(event["run"])
        if current is None:
            return None
        if event["kind"] == "epoch":
            for trial in current:
                trial.report(event["validation"]["accuracy"], event["epoch"])
            return "prune" if all(trial.should_prune() for trial in current) else None
        # elsewhere: another search trains it
        if event["kind"] in ("done", "pruned", "failed", "cancelled", "elsewhere"):
            for trial in running.pop(event["run"]):
                if event["kind"] == "done":
                    result = store.result(event["run"])
                    study.tell(trial, result["validation"]["accuracy"] if result else math.nan)
                else:
                    state = optuna.trial.TrialState.PRUNED if event["kind"] == "pruned" else None
                    study.tell(trial, state=state or optuna.trial.TrialState.FAIL)
        return None

    executor.run(jobs(), hear)
    return _found(study, store, baseline)


def _study(suite: Suite, block: SearchBlock, store: Store, cell: Cell, data: PreparedData) -> optuna.Study:
    """The study in its journal file, named by all that makes trials comparable; orphans of a killed call are failed."""
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    base = plan_run(with_strength(cell, 0.0), suite.seeds[0], data, {}, suite.executor.processes).run
    term = cell.enhancement or Enhancement()
    path = store.root / "optuna" / f"{suite.name}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    study = optuna.create_study(
        storage=JournalStorage(JournalFileBackend(str(path), lock_obj=JournalFileOpenLock(str(path)))),
        study_name=f"{suite.name} {base} {term.gate.flat} {term.profile.flat} {block.low:g} {block.high:g}",
        sampler=optuna.samplers.TPESampler(seed=block.seed),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=block.pruner_warmup_epochs),
        direction="maximize",
        load_if_exists=True,
    )
    for orphan in study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
        study.tell(orphan.number, state=optuna.trial.TrialState.FAIL)
    return study


def _finished(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    return [trial for trial in study.get_trials(deepcopy=False) if trial.state.name in ("COMPLETE", "PRUNED")]


def _found(study: optuna.Study, store: Store, baseline: PlannedRun) -> Found:
    trials = tuple(
        Trial(t.number, t.params[NAME], t.state.name.lower(), t.value, str(t.user_attrs["run"]))
        for t in study.get_trials(deepcopy=False)
        if NAME in t.params and "run" in t.user_attrs
    )
    scored = [trial for trial in trials if trial.accuracy is not None and trial.state == "complete"]
    result = store.result(baseline.run)
    if result is None or not scored:
        raise BenchError("the search has no baseline or no finished trial to compare; see the failed runs")
    base = Trial(-1, 0.0, "complete", result["validation"]["accuracy"], baseline.run)
    return Found(trials, base, max(scored, key=lambda trial: trial.accuracy or 0.0))


def trials_plan(suite: Suite, found: Found) -> Plan:
    """The baseline and the trials that ran to their end, as a suite of its own name, for the trackers."""
    cell = blinded(checked(suite)[0])
    data, seed = prepare(cell.data), suite.seeds[0]
    finished = {t.strength: t for t in (found.baseline, *found.trials) if t.state == "complete"}
    runs = [
        plan_run(with_strength(cell, strength), seed, data, {NAME: f"{strength:.4g}"}, suite.executor.processes)
        for strength in finished
    ]
    return Plan(replace(suite, name=f"{suite.name}.trials"), tuple(runs), {})


def final_plan(suite: Suite, found: Found, *, tell: Tell | None = None) -> Plan:
    """The best strength and λ = 0, each on all training identities with the same fresh seeds, tested once."""
    cell, block = checked(suite)
    data = prepare(cell.data, tell=tell)
    whole = cell.model_copy(update={"data": cell.data.model_copy(update={"validation": Validation()})})
    runs = [
        plan_run(with_strength(whole, strength), seed, data, {NAME: f"{strength:.4g}"}, suite.executor.processes)
        for strength in (0.0, found.best.strength)
        for seed in block.retrain_seeds
    ]
    return Plan(suite, tuple(runs), {})


def baseline_interval(suite: Suite, store: Store, found: Found) -> tuple[float, float]:
    """95 % bootstrap interval, over identities, of the baseline's validation accuracy."""
    import numpy as np
    import torch

    from bench.data.packed import open_packed
    from bench.evaluation import bootstrap_intervals
    from bench.evaluation.embed import embed
    from bench.evaluation.templates import pair_scores
    from bench.scheduling.evaluate_run import load_trained
    from bench.scheduling.validation import MOST_IMAGES, some_people, validation_pairs
    from bench.training.split import split_identities

    config = store.config(found.baseline.run) or {}
    images = open_packed(cache_root(), config["train"]["digest"])
    _, rows = split_identities(images.labels, config["validation"])
    rows = rows[some_people(images.labels[rows], MOST_IMAGES, config["validation"]["seed"])]
    labels = images.labels[rows]
    pairs, same, fold = validation_pairs(labels, config["validation"]["pairs"], config["validation"]["seed"])
    device = torch.device("cpu")
    backbone, _ = load_trained(store, found.baseline.run, config, device)
    scores = pair_scores(embed(backbone, images, rows, flip=True, device=device), pairs)
    people = np.stack([labels[pairs[:, 0]], labels[pairs[:, 1]]], axis=1)
    interval = bootstrap_intervals(scores, same, people, fold, fars=[], seed=0)["accuracy"]
    if interval.low is None or interval.high is None:
        raise BenchError(
            f"the baseline's accuracy has no value in any of {interval.replicates} replicates of its people"
        )
    return interval.low, interval.high


def write_found(suite: Suite, store: Store, found: Found, interval: tuple[float, float]) -> tuple[Path, str]:
    """Keeps ``search.json`` beside the report and says in words what was found."""
    low, high = interval
    best, base = found.best, found.baseline
    inside = low <= (best.accuracy or 0.0) <= high
    verdict = "is not distinguishable from" if inside else "lies outside the interval of"
    text = (
        f"{len(found.trials)} trials; best λ = {best.strength:.4g}: "
        f"validation accuracy {100 * (best.accuracy or 0):.2f} %; "
        f"λ = 0: {100 * (base.accuracy or 0):.2f} % (95 % bootstrap interval {100 * low:.2f} to {100 * high:.2f}). "
        f"The best λ {verdict} the baseline on validation identities."
    )
    path = store.suite_folder(suite.name) / "report" / "search.json"
    write_json(
        path,
        {
            "schema": 1,
            "trials": [vars(trial) for trial in found.trials],
            "baseline": vars(base),
            "best": vars(best),
            "baseline_interval": [low, high],
            "text": text,
        },
    )
    return path, text


def draw_found(found: Found, interval: tuple[float, float], block: SearchBlock, path: Path) -> None:
    """Strength against validation accuracy over the whole range searched, the baseline's interval as a band."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.0, 3.4), layout="constrained")
    axes = figure.subplots()
    axes.axhspan(100 * interval[0], 100 * interval[1], color="0.85", label="λ = 0, 95 % interval")
    axes.axhline(100 * (found.baseline.accuracy or 0.0), color="0.4", linestyle="--", label="λ = 0")
    done = [trial for trial in found.trials if trial.accuracy is not None and trial.state == "complete"]
    pruned = [trial for trial in found.trials if trial.accuracy is not None and trial.state == "pruned"]
    early = [100 * (t.accuracy or 0) for t in pruned]
    axes.semilogx([t.strength for t in pruned], early, "x", color="0.55", label="pruned, score when pruned")
    axes.semilogx([t.strength for t in done], [100 * (t.accuracy or 0) for t in done], "o", color="C0", label="trial")
    axes.semilogx([found.best.strength], [100 * (found.best.accuracy or 0)], "*", ms=13, color="C1", label="best")
    axes.set(xlabel="strength λ", ylabel="validation accuracy (%)", xlim=(block.low, block.high))
    figure.legend(fontsize=7, loc="outside lower center", ncols=3)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=160)


def values(found: Found) -> list[dict[str, Any]]:
    """Rows for printing."""
    rows = [found.baseline, *sorted(found.trials, key=lambda trial: trial.strength)]
    return [
        {
            "λ": f"{t.strength:.4g}",
            "state": t.state,
            "validation accuracy, %": "" if t.accuracy is None else f"{100 * t.accuracy:.2f}",
            "run": t.run,
        }
        for t in rows
    ]
