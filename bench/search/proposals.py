"""Asking a study for the next configuration."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from bench.catalog import PRUNERS, SAMPLERS
from bench.search.asked import Asked, Trained
from bench.search.storage import Asking
from bench.search.subject import Subject, Values, block_of, known_as
from bench.suite.search_block import Searched
from bench.suite.seeds import seed_for
from bench.suite.space import applies, ends, labels, placed, points, stepped

if TYPE_CHECKING:
    import optuna


@contextmanager
def quietly() -> Iterator[None]:
    """Without Optuna's warnings of what is experimental in it: it is chosen in a suite, by name."""
    from optuna.exceptions import ExperimentalWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        yield


def make_sampler(subject: Subject, *, trials: int) -> optuna.samplers.BaseSampler:
    """The suite's sampler, for a study that has so many ``trials``."""
    block = block_of(subject.suite)
    draw = seed_for("sampler", seed=block.seed, trials=trials) % 2**32
    with quietly():
        spec = SAMPLERS.get(block.sampler.name)
        sampler: optuna.samplers.BaseSampler = spec.function(
            Asked(block.seed, draw, subject.fields), **block.sampler.options
        )
    return sampler


def make_pruner(subject: Subject, epochs: int, *, fair: bool) -> optuna.pruners.BasePruner:
    block = block_of(subject.suite)
    with quietly():
        named = block.pruner
        if fair or named is None:
            return PRUNERS.get("none").function(Trained(epochs, 0))
        return PRUNERS.get(named.name).function(Trained(epochs, block.pruner_warmup_epochs), **named.options)


def propose(asking: Asking, subject: Subject) -> tuple[optuna.Trial, dict[str, Any]] | None:
    """A new trial and its configuration; None where a grid is exhausted."""
    if block_of(subject.suite).sampler.name == "grid" and not _enqueue_next(asking.study, subject):
        return None
    with quietly():
        trial = asking.ask()
        values = dict[str, Any]()
        blocks = subject.blocks
        for name, searched in subject.fields.items():
            if applies(searched, blocks):
                values[name] = _suggested(trial, name, searched)
                blocks = placed(blocks, name, values[name])
    return trial, values


def _suggested(trial: optuna.Trial, name: str, searched: Searched) -> Any:
    if searched.choices is not None:
        named = labels(searched.choices)
        return searched.choices[named.index(trial.suggest_categorical(name, named))]
    low, high = ends(searched)
    if searched.int:
        return trial.suggest_int(name, low, high, step=round(searched.step or 1), log=searched.log)
    if searched.step is None:
        return trial.suggest_float(name, low, high, log=searched.log)
    allowed = stepped(searched) or []
    value = trial.suggest_float(name, low, allowed[-1], step=searched.step)
    return min(allowed, key=lambda each: abs(each - value))


def grid_points(subject: Subject) -> Iterator[dict[str, Any]]:
    return points(subject.fields, subject.blocks, lambda searched: stepped(searched) or [])


def study_params(subject: Subject, values: Values) -> dict[str, Any]:
    """A configuration as the study and ``search.json`` have it."""
    return {name: known_as(subject.fields[name], value) for name, value in values.items()}


def values_of_params(subject: Subject, params: Values) -> dict[str, Any]:
    """The configuration that a trial's parameters stand for."""
    found = {}
    for name, value in params.items():
        choices = subject.fields[name].choices
        found[name] = value if choices is None else choices[labels(choices).index(value)]
        steps = stepped(subject.fields[name]) if subject.fields[name].step is not None else None
        if steps:
            found[name] = min(steps, key=lambda each: abs(each - value))
    return found


def _enqueue_next(study: optuna.Study, subject: Subject) -> bool:
    """Puts the first point of the grid that was not tried into the queue; one whose trial was cut short goes again."""
    tried = [
        trial.params
        for trial in study.get_trials(deepcopy=False)
        if trial.state.name != "FAIL" or "why" in trial.user_attrs
    ]
    for point in grid_points(subject):
        params = study_params(subject, point)
        if params not in tried:
            study.enqueue_trial(params)
            return True
    return False
