"""Whether a recorded run is a run of today: its ids, computed now from its configuration, must be the recorded ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from bench.catalog.third_party import packages_of
from bench.data.resolve import PreparedData
from bench.errors import BenchError
from bench.records import digest
from bench.scheduling.plan import METRICS, SEMANTICS, PlannedRun, training_config
from bench.suite.blocks import CELL_BLOCKS
from bench.suite.named import resolve
from bench.suite.schema import Cell, Evaluation
from bench.suite.source import Location, dotted

_BLOCKS = ("backbone", "margin", "enhancement", "terms", "classifier", "recipe")


def id_problems(run: PlannedRun) -> list[str]:
    """Why another id would be computed now, field by field; [] where all are the recorded ones."""
    return [*_of_training(run), *_of_evaluations(run)]


def _of_training(run: PlannedRun) -> Iterator[str]:
    config = run.config
    if (found := digest(config)) != run.run:
        yield f"its recorded configuration is that of run {found}: one of them was changed"
        return
    if config.get("semantics") != SEMANTICS:
        yield f"it was trained under semantics version {config.get('semantics')}; this version has {SEMANTICS}"
    try:
        now = _config_now(config, run.processes)
    except BenchError as error:
        yield str(error)
        return
    except (KeyError, TypeError, AttributeError) as error:
        yield f"its configuration is none of this version ({error!r})"
        return
    for name, recorded, here in _differing("", config, {**now, "seed": run.seed}):
        if name != "semantics":
            yield f"{name} is recorded as {recorded}, and would be {here} now"


def _config_now(config: Mapping[str, Any], processes: int) -> dict[str, Any]:
    """What this version would record of the same choices. Raises BenchError for what is not registered here."""
    wrong: list[str] = []

    def told(at: Location, problem: str) -> None:
        wrong.append(f"{dotted(at)}: {problem}")

    given = {name: config[name] for name in _BLOCKS if config[name] is not None}
    given["recipe"] = {key: value for key, value in given["recipe"].items() if key != "replicas"}
    blocks = {}
    for name, value in given.items():
        try:
            blocks[name] = resolve(name, CELL_BLOCKS[name].model_validate(value), told)
        except ValidationError as error:
            wrong += [f"{dotted((name, *e['loc']))}: {e['msg']}" for e in error.errors(include_url=False)]
    if wrong:
        raise BenchError("; ".join(wrong))
    data = {"pixels": config["pixels"], "protocols": ["lfw"]}
    if config["validation"] is not None:
        data["validation"] = config["validation"]
    cell = Cell(data=CELL_BLOCKS["data"].model_validate(data), **blocks)
    train = config["train"]
    prepared = PreparedData(train["digest"], train["images"], train["identities"], {}, {})
    now = training_config(cell, prepared, processes)
    if (here := packages_of(config)) != config.get("packages", {}):
        raise BenchError(f"it used the packages {config.get('packages', {})}; installed here are {here}")
    return now


def _of_evaluations(run: PlannedRun) -> Iterator[str]:
    for name, recorded in run.evaluations.items():
        if name == "train":
            found = digest([run.run, "train", METRICS])
        else:
            found = digest([run.run, run.protocols.get(name), run.options, METRICS])
        if found == recorded:
            continue
        try:
            here = Evaluation.model_validate(run.options).model_dump(exclude={"train_geometry"})
        except ValidationError:
            here = {}
        fields = [field for field, _, _ in _differing("evaluation", run.options, here)]
        why = f"{', '.join(fields)} differ" if fields else f"this version has metrics version {METRICS}"
        yield f"its evaluation on {name} is recorded as {recorded}, and would be {found} now: {why}"


def _differing(at: str, one: Any, other: Any) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for key in {**one, **other}:
            yield from _differing(f"{at}.{key}".strip("."), one.get(key, "absent"), other.get(key, "absent"))
    elif one != other:
        yield at, one, other
