"""Opening a study where it was left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.records import digest
from bench.scheduling.plan import training_config
from bench.search.objective import DIRECTIONS
from bench.search.proposals import make_pruner, make_sampler, quietly
from bench.search.storage import end_orphans, open_storage
from bench.search.subject import Subject, block_of, trial_seeds
from bench.store import Store
from bench.suite.schema import Cell

if TYPE_CHECKING:
    import optuna

    from bench.data.resolve import PreparedData


def study_name(subject: Subject, cell: Cell, data: PreparedData, *, fair: bool) -> str:
    """Names all that makes trials comparable: other configurations, fields, seeds or objectives are another study.

    The sampler and, unless the search is fair, the pruner may change from call to call.
    """
    block = block_of(subject.suite)
    compared = {
        "config": training_config(cell, data, subject.suite.executor.processes),
        "fields": {name: searched.model_dump() for name, searched in subject.fields.items()},
        "seeds": trial_seeds(subject.suite),
        "objectives": block.objectives,
        "fair": fair,
    }
    return " ".join(filter(None, [subject.suite.name, subject.label, digest(compared)[:16]]))


def open_study(
    subject: Subject, cell: Cell, data: PreparedData, store: Store, *, fair: bool, url: str | None
) -> optuna.Study:
    """The study, made if it is not there; trials that a killed search left running are failed."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = open_storage(url, store.root / "optuna" / f"{subject.suite.name}.log")
    with quietly():
        study = optuna.create_study(
            storage=storage,
            study_name=study_name(subject, cell, data, fair=fair),
            directions=[DIRECTIONS[name] for name in block_of(subject.suite).objectives],
            load_if_exists=True,
        )
        end_orphans(study)
        study.sampler = make_sampler(subject, trials=len(study.get_trials(deepcopy=False)))
        study.pruner = make_pruner(subject, cell.recipe.epochs, fair=fair)
    return study
