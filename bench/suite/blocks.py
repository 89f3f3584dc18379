"""Which blocks a suite has, which fields each allows, and the JSON schema of it all."""

from __future__ import annotations

from typing import Any, get_args, get_origin

from pydantic import BaseModel, ConfigDict, create_model

from bench.suite.base import Named
from bench.suite.data_block import Data
from bench.suite.schema import (
    Classifier,
    Enhancement,
    Evaluation,
    ExecutorBlock,
    Recipe,
    ReportBlock,
    Terms,
)  # fmt: skip
from bench.suite.search_block import SearchBlock
from bench.suite.source import Location

CELL_BLOCKS: dict[str, type[BaseModel]] = {
    "data": Data,
    "backbone": Named,
    "margin": Named,
    "enhancement": Enhancement,
    "terms": Terms,
    "classifier": Classifier,
    "recipe": Recipe,
    "evaluation": Evaluation,
}
SUITE_BLOCKS: dict[str, type[BaseModel]] = {
    "report": ReportBlock,
    "executor": ExecutorBlock,
    "search": SearchBlock,
}


def is_tag(block: str, part: int | str) -> bool:
    """Whether a part of an error's place names one of several models, and so stands in no suite."""
    return (block, part) in TAGGED


def tags_at(location: Location) -> list[str]:
    """The names of which a block at a location must have one; none where it has one model only."""
    return TAGS.get(location, [])


TAGGED: dict[tuple[str, int | str], type[BaseModel]] = {}
TAGS: dict[Location, list[str]] = {}
for _block, _field in (("recipe", "optimiser"), ("recipe", "schedule"), ("enhancement", "schedule")):
    for _model in CELL_BLOCKS[_block].model_fields[_field].annotation.__args__:  # type: ignore[union-attr]
        _tag = str(_model.model_fields["name"].annotation.__args__[0])
        TAGGED[_block, _tag] = _model
        TAGS[_block, _field] = sorted([*TAGS.get((_block, _field), []), _tag])


def fields_at(at: Location, inner: tuple[int | str, ...]) -> list[str]:
    """The fields that a block allows at a location."""
    model: Any = {**CELL_BLOCKS, **SUITE_BLOCKS}.get(str(at[0]))
    for part in inner:
        if (str(at[0]), part) in TAGGED:
            return sorted(TAGGED[str(at[0]), part].model_fields)
        if get_origin(model) is dict:
            model = get_args(model)[1]
            continue
        info = model.model_fields.get(part)
        model = info.annotation if info else model
    return sorted(model.model_fields)


def json_schema() -> dict[str, Any]:
    """The JSON schema of a suite file, for editors."""
    blocks: dict[str, Any] = {**CELL_BLOCKS, **SUITE_BLOCKS}
    fields: dict[str, Any] = {name: (model | None, None) for name, model in blocks.items()}
    model = create_model(
        "Suite",
        __config__=ConfigDict(extra="forbid"),
        name=(str | None, None),
        title=(str | None, None),
        grid=(dict[str, Any] | None, None),
        seeds=(int | list[int] | None, None),
        **fields,
    )
    return model.model_json_schema()
