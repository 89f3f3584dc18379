"""What MLflow holds already: looked for by tags, so that nothing is told twice whoever told it first."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench.tracking.record import TAG_LIMIT, cut

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

PARENT, RUN, RECORD, REFERENCE = "mlflow.parentRunId", "bench.run", "bench.record", "bench.run."
PAGE = 100  # a run comes with all its metrics, so larger pages take much memory
TAGS_AT_ONCE = 100  # MLflow's limit
ASKED_SINGLY = 100  # so many runs are asked for one by one; of more, all that there are is read


@dataclass
class Told:
    """A run of MLflow that this project made. ``tags``: its own (``bench.…``) and the parent's id."""

    id: str
    experiment: str
    status: str
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether it was told to its end."""
        return RECORD in self.tags and self.status != "RUNNING"


def told_of(run: Run) -> Told:
    tags = {key: value for key, value in run.data.tags.items() if key.startswith("bench.") or key == PARENT}
    return Told(run.info.run_id, run.info.experiment_id, run.info.status, tags)


def search(client: MlflowClient, experiments: list[str], condition: str) -> Iterator[Told]:
    """The active runs that have a tag, page by page."""
    token = None
    while experiments:
        page = client.search_runs(experiments, condition, max_results=PAGE, page_token=token)
        yield from map(told_of, page)
        token = page.token
        if not token:
            return


def having(tag: str) -> str:
    return f"tags.`{tag}` LIKE '%'"


def parents(client: MlflowClient) -> list[Told]:
    """The parent of every suite digest, over all experiments."""
    experiments, token = [], None
    while True:
        page = client.search_experiments(page_token=token)
        experiments += [experiment.experiment_id for experiment in page]
        token = page.token
        if not token:
            return [told for told in search(client, experiments, having("bench.plan")) if RUN not in told.tags]


def own_runs(client: MlflowClient, experiment: str, tag: str) -> dict[str, Told]:
    """Value of a tag → run, of one experiment. Doubles, which a lost answer of a server can make, are deleted."""
    found: dict[str, Told] = {}
    for told in search(client, [experiment], having(tag)):
        key = told.tags[tag]
        other = found.setdefault(key, told)
        if other is not told:
            keep, drop = (told, other) if told.complete and not other.complete else (other, told)
            found[key] = keep
            client.delete_run(drop.id)
    return found


def runs_elsewhere(client: MlflowClient, experiments: Collection[str], runs: Collection[str]) -> dict[str, Told]:
    """Those of these benchmark runs that stand in other experiments."""
    places = sorted(experiments)
    if not runs or not places:
        return {}
    if len(runs) > ASKED_SINGLY:
        found: Iterable[Told] = search(client, places, having(RUN))
    else:
        found = (told for run in runs for told in search(client, places, f"tags.`{RUN}` = '{run}'"))
    wanted, there = set(runs), dict[str, Told]()
    for told in found:
        run = told.tags[RUN]
        if run in wanted and (run not in there or (told.complete and not there[run].complete)):
            there[run] = told
    return there


def tag(client: MlflowClient, told: Told, tags: Mapping[str, str]) -> bool:
    """Brings tags up to date; whether any was not."""
    from mlflow.entities import RunTag

    changed = [(key, value) for key, value in cut(tags, TAG_LIMIT).items() if told.tags.get(key) != value]
    for start in range(0, len(changed), TAGS_AT_ONCE):
        part = changed[start : start + TAGS_AT_ONCE]
        client.log_batch(told.id, tags=[RunTag(key, value) for key, value in part])
    told.tags.update(changed)
    return bool(changed)
