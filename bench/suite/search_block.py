"""The search block of a suite: which fields are searched, where, how, and what is sought."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, PositiveInt, field_validator, model_validator

from bench.suite.base import Block, Named

STRENGTH = "enhancement.strength"

Scalar = bool | int | float | str | None
Objective = Literal["accuracy", "isotropy", "cost"]
Seeds = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]


class Searched(Block):
    """The values of one field: a range from ``low`` to ``high``, both included, or a list of ``choices``."""

    low: float | None = None
    high: float | None = None
    log: Annotated[bool, Field(description="the logarithm is uniform, not the number")] = False
    step: Annotated[float | None, Field(gt=0, description="only low, low + step, …; null: any number between")] = None
    choices: Annotated[list[Any] | None, Field(min_length=1)] = None
    when: Annotated[
        dict[str, list[Any]] | None,
        Field(min_length=1, description="only searched in configurations whose fields have one of these values"),
    ] = None
    int: Annotated[bool, Field(description="whole numbers only")] = False

    @model_validator(mode="after")
    def _one_kind(self) -> Searched:
        ranged = sorted({"low", "high", "log", "step", "int"} & self.model_fields_set)
        if self.choices is not None:
            if ranged:
                raise ValueError(f"choices stand alone, without {', '.join(ranged)}")
            if repeated := [value for i, value in enumerate(self.choices) if value in self.choices[:i]]:
                raise ValueError(f"choices holds {repeated[0]!r} twice")
            return self
        if self.low is None or self.high is None:
            raise ValueError("needs low and high, or choices")
        if not self.low < self.high:
            raise ValueError(f"low < high must hold, found low={self.low:g}, high={self.high:g}")
        if self.log and self.low <= 0:
            raise ValueError(f"low must be above 0 where log is true, found {self.low:g}")
        if self.log and self.step is not None:
            raise ValueError("log and step exclude each other")
        if self.int and any(value != round(value) for value in (self.low, self.high, self.step or 1)):
            raise ValueError("low, high and step must be whole where int is true")
        return self

    @property
    def kind(self) -> Literal["float", "int", "categorical"]:
        return "categorical" if self.choices is not None else "int" if self.int else "float"


class SearchBlock(Block):
    """A search over fields of the suite, scored on validation identities only; without ``space`` over the strength λ
    of the enhancing term alone, log-uniform between ``low`` and ``high``.
    """

    trials: Annotated[PositiveInt, Field(description="finished trials in total (of each study of a fair search)")] = 20
    low: Annotated[float, Field(gt=0, description="of the strength, where there is no space")] = 1e-4
    high: Annotated[float, Field(gt=0, description="of the strength, where there is no space")] = 1.0
    space: Annotated[dict[str, Searched], Field(description="dotted field → its values; {}: the strength")] = {}
    sampler: Annotated[Named, Field(description="what proposes trials: tpe, random, grid, cmaes, qmc, nsga2")] = Named(
        name="tpe"
    )
    pruner: Annotated[
        Named | None,
        Field(
            description="what gives trials up early: none, median, hyperband, asha, wilcoxon; null: median where "
            "accuracy is the only objective, else none"
        ),
    ] = None
    objectives: Annotated[
        list[Objective],
        Field(min_length=1, description="accuracy and isotropy of validation identities (most), cost (least)"),
    ] = ["accuracy"]
    seed: Annotated[int, Field(ge=0, description="of what the sampler draws")] = 0
    seeds: Annotated[
        Seeds | None, Field(description="of a trial, whose score is their mean; null: the suite's first")
    ] = None
    pruner_warmup_epochs: Annotated[int, Field(ge=0, description="epochs before a trial may be pruned")] = 3
    failures: Annotated[PositiveInt, Field(description="the search stops when so many trials fail in a row")] = 5
    storage: Annotated[
        str | None, Field(repr=False, description="URL of a database for the trials; null: a journal in the results")
    ] = None
    retrain_seeds: Annotated[list[int], Field(min_length=3, description="fresh seeds of the final comparison")] = [
        101,
        102,
        103,
    ]

    @field_validator("seeds", "retrain_seeds", "objectives")
    @classmethod
    def _each_once(cls, value: list[Any] | None) -> list[Any] | None:
        if value and (repeated := [item for i, item in enumerate(value) if item in value[:i]]):
            raise ValueError(f"{repeated[0]!r} is given twice")
        return value

    @model_validator(mode="after")
    def _ordered(self) -> SearchBlock:
        if not self.low < self.high:
            raise ValueError(f"low < high must hold, found low={self.low}, high={self.high}")
        if self.space and (given := sorted({"low", "high"} & self.model_fields_set)):
            raise ValueError(f"{' and '.join(given)} are of the strength alone; beside space, give them there")
        return self

    @property
    def fields(self) -> dict[str, Searched]:
        """What is searched, by dotted field."""
        return self.space or {STRENGTH: Searched(low=self.low, high=self.high, log=True)}
