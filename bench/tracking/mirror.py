"""Mirrors one suite: an experiment, a parent for every digest of its file, and one MLflow run for a benchmark run.

A run that several suites plan, or several digests of one, is still one MLflow run, for MLflow runs lie in one
experiment below one parent. It lies where it was told first, names all its suites (``bench.suites``), and every parent
of another suite that plans it holds a tag ``bench.run.<run>`` with its MLflow id.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.errors import StoreError
from bench.store import Store
from bench.tracking.datasets import inputs
from bench.tracking.models import log_model
from bench.tracking.present import (
    PARENT,
    RECORD,
    REFERENCE,
    RUN,
    Told,
    own_runs,
    parents,
    runs_elsewhere,
    tag,
)
from bench.tracking.record import TAG_LIMIT, Claim, Record, cut, planned, run_record
from bench.tracking.state import report_state
from bench.tracking.target import Target

if TYPE_CHECKING:
    from mlflow import MlflowClient

Claims = dict[str, list[Claim]]


@dataclass(frozen=True)
class TrackReport:
    """How many benchmark runs were logged for the first time, logged anew, unchanged, or have not ended yet."""

    new: int = 0
    updated: int = 0
    skipped: int = 0
    pending: int = 0


def other_claims(store: Store, plan: Mapping[str, Any]) -> Claims:
    """Run → the other suites that plan it, of the runs of this plan."""
    runs, found = {entry["run"] for entry in plan["runs"]}, dict[str, list[Claim]]()
    for name in store.suite_names():
        if name == plan["suite"]:
            continue
        with suppress(StoreError):  # torn or of a newer version: its own mirroring will say so
            for entry in planned(store.plan(name)):
                if entry["run"] in runs:
                    found.setdefault(entry["run"], []).append((name, entry))
    return found


class Mirror:
    """One suite being told to an MLflow that is open."""

    def __init__(
        self, store: Store, plan: Mapping[str, Any], client: MlflowClient, where: Target, others: Claims, models: bool
    ) -> None:
        self.store, self.plan, self.client, self.others, self.models = store, plan, client, others, models
        self.suite: str = plan["suite"]
        self.experiment = _experiment(client, self.suite, where.artifacts)
        self.parents = parents(client)
        self.parent = self._parent()
        self.known = own_runs(client, self.experiment, RUN)
        self.look_elsewhere(entry["run"] for entry in plan["runs"])
        self.counts = {"new": 0, "updated": 0, "skipped": 0, "pending": 0}
        self.references: dict[str, set[str]] = {}
        self.failed = False

    def runs(self) -> None:
        """Tells every planned run."""
        for entry in planned(self.plan):
            self.counts[self.run(entry, self.parent)] += 1
            self.failed |= entry["run"] in self.known and self.known[entry["run"]].status == "FAILED"

    def run(self, entry: Mapping[str, Any], parent: Told) -> str:
        """Tells one run, below the parent unless it is another suite's; returns the field of `counts` to count it in.

        MLflow can neither change a param nor take back a metric, so what has changed is deleted and told anew.
        """
        run = entry["run"]
        present = self.known.get(run)
        claims = self._claims(entry, present)
        record = run_record(self.store, claims)
        if record is None:
            return "pending"
        ours = present is None or present.experiment == self.experiment
        above = parent.id if ours or present is None else present.tags.get(PARENT, parent.id)
        tags = {**record.tags, PARENT: above}
        if not ours:
            self.references.setdefault(self.parent.id, set()).add(run)
        if present is not None and present.complete and present.tags.get(RECORD) == record.digest:
            before = present.tags.get(PARENT)
            if tag(self.client, present, tags) and before not in (None, above):
                self.references.setdefault(str(before), set()).add(run)
            self._model(run, present)
            return "skipped"
        if present is not None:
            self.client.delete_run(present.id)
        experiment = present.experiment if present is not None else self.experiment
        self.known[run] = self._tell(experiment, record, tags, entry)
        self._model(run, self.known[run])
        return "new" if present is None else "updated"

    def finish(self) -> TrackReport:
        """Names the runs that stand elsewhere, uploads the report, and says how the suite stands."""
        for above in self.parents:
            held = {key.removeprefix(REFERENCE) for key in above.tags if key.startswith(REFERENCE)}
            named = self.references.get(above.id, set()) | (held & self.known.keys())
            tag(self.client, above, {f"{REFERENCE}{run}": self.known[run].id for run in sorted(named)})
            if above.experiment == self.experiment and above is not self.parent and above.status == "RUNNING":
                self.end(above, "KILLED")  # of a digest that no plan has any more
        report = self.store.suite_folder(self.suite) / "report"
        state = report_state(report)
        if report.is_dir() and self.parent.tags.get("bench.report") != state:
            self.client.log_artifacts(self.parent.id, str(report), "report")
            tag(self.client, self.parent, {"bench.report": state})
        self.end(self.parent, "RUNNING" if self.counts["pending"] else "FAILED" if self.failed else "FINISHED")
        return TrackReport(**self.counts)

    def end(self, told: Told, status: str) -> None:
        """Sets the status of a parent or of a trial."""
        if told.status != status:
            if status == "RUNNING":
                self.client.update_run(told.id, status=status)
            else:
                self.client.set_terminated(told.id, status)
            told.status = status

    def look_elsewhere(self, runs: Iterable[str]) -> None:
        """Learns of the runs of other experiments."""
        experiments = {above.experiment for above in self.parents} - {self.experiment}
        self.known |= runs_elsewhere(self.client, experiments, set(runs) - self.known.keys())

    def _claims(self, entry: Mapping[str, Any], present: Told | None) -> Sequence[Claim]:
        """Every suite that plans the run, the one it stands under in MLflow first."""
        claims = [(self.suite, entry), *self.others.get(entry["run"], ())]
        holder = self.suite
        if present is not None and present.experiment != self.experiment:
            holder = present.tags.get("bench.suite", self.suite)
        return sorted(claims, key=lambda claim: (claim[0] != holder, claim[0]))

    def _tell(self, experiment: str, record: Record, tags: dict[str, str], entry: Mapping[str, Any]) -> Told:
        from mlflow.entities import Metric, Param, RunTag

        run = self.client.create_run(
            experiment, start_time=record.start, run_name=record.name, tags={RUN: entry["run"], PARENT: tags[PARENT]}
        ).info.run_id
        if datasets := inputs(self.plan, entry):
            self.client.log_inputs(run, datasets)
        # What was cut short lacks the last tag or its end, so the next call makes it again.
        self.client.log_batch(
            run,
            metrics=[Metric(*metric) for metric in record.metrics],
            params=[Param(key, value) for key, value in record.params.items()],
            tags=[RunTag(key, value) for key, value in {**tags, RECORD: record.digest}.items()],
        )
        self.client.set_terminated(run, record.status, end_time=record.end)
        return Told(run, experiment, record.status, {**tags, RECORD: record.digest})

    def _model(self, run: str, told: Told) -> None:
        if self.models and told.status == "FINISHED":
            log_model(self.client, self.store, run, told)

    def _parent(self) -> Told:
        """The run of this digest of the suite, its tags brought up to date; each other command is a tag of its own."""
        plan = self.plan
        tags = {
            "bench.suite": plan["suite"],
            "bench.plan": plan["digest"],
            "bench.command": plan["command"],
            "bench.file": plan["file"],
            "bench.axes": ", ".join(plan["axes"]),
            "bench.protocols": ", ".join(plan["protocols"]),
            "mlflow.note.content": plan["title"],
        }
        same = [told for told in self.parents if told.experiment == self.experiment]
        told = next((told for told in same if told.tags["bench.plan"] == plan["digest"]), None)
        commands = {value for key, value in (told.tags if told else {}).items() if key.startswith("bench.command.")}
        if cut({"": plan["command"]}, TAG_LIMIT)[""] not in commands:
            tags[f"bench.command.{len(commands) + 1}"] = plan["command"]
        if told is not None:
            tag(self.client, told, {key: value for key, value in tags.items() if key.startswith("bench.")})
            return told
        tags = cut(tags, TAG_LIMIT)
        created = self.client.create_run(self.experiment, run_name=plan["suite"], tags=tags).info
        told = Told(created.run_id, self.experiment, created.status, tags)
        self.parents.append(told)
        return told


def _experiment(client: MlflowClient, name: str, artifacts: str | None) -> str:
    found = client.get_experiment_by_name(name)
    if found is None:
        return str(client.create_experiment(name, artifact_location=artifacts))
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return str(found.experiment_id)
