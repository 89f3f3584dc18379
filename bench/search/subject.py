"""What a study searches: one cell of a suite, and the configurations that can be made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.data.resolve import PreparedData
from bench.errors import BenchError
from bench.scheduling.plan import PlannedRun, plan_run
from bench.suite.data_block import Validation
from bench.suite.grid import get
from bench.suite.labels import axis_label
from bench.suite.schema import Cell
from bench.suite.search_block import STRENGTH, SearchBlock, Searched
from bench.suite.space import Blocks, applies, in_order, labels, placed, within
from bench.suite.suite import Suite, load_cell

Values = Mapping[str, Any]
"""Field → value of a configuration, as it could be written in a suite."""

FIXED_WHEN_FAIR = ("recipe.epochs", "recipe.batch", "backbone", "classifier")
"""What decides the compute of a trial."""


@dataclass(frozen=True)
class Subject:
    """A cell that is searched. ``label``: its values on the axes, "" where the suite has one cell only."""

    suite: Suite
    label: str
    axes: Mapping[str, str]
    blocks: Blocks

    @property
    def fields(self) -> dict[str, Searched]:
        """The fields that are searched here, in the order in which they are decided."""
        return {
            name: searched
            for name, searched in in_order(block_of(self.suite).fields).items()
            if not self._settled(searched) or applies(searched, self.blocks)
        }

    def _settled(self, searched: Searched) -> bool:
        """Whether a condition is on no other searched field, so that it holds here always or never."""
        fields = block_of(self.suite).fields
        return not any(within(key, name) or within(name, key) for key in searched.when or () for name in fields)

    def cell(self, values: Values) -> Cell:
        """The cell with these values. Raises SuiteError where it could stand in no suite."""
        blocks: Blocks = self.blocks
        for name in in_order({name: self.fields[name] for name in values}):
            blocks = placed(blocks, name, values[name])
        return load_cell(self.suite, blocks)

    def names(self, values: Values) -> dict[str, str]:
        """Its place on the axes of a table: those of the suite, and the searched fields; "–" for one it lacks."""
        fields = block_of(self.suite).fields
        named = {name: shown(field, values[name]) if name in values else "–" for name, field in fields.items()}
        if searches_term(self) and STRENGTH not in fields:
            written = get(self.blocks, tuple(STRENGTH.split(".")))
            named[STRENGTH] = f"{values.get(STRENGTH, written or 0.0):.4g}"
        return {**self.axes, **named}


def block_of(suite: Suite) -> SearchBlock:
    if suite.search is None:
        raise BenchError(f"{suite.file}: has no `search` block")
    return suite.search


def shown(searched: Searched, value: Any) -> str:
    """A value as a table shows it."""
    return f"{value:.4g}" if isinstance(value, float) else str(known_as(searched, value))


def known_as(searched: Searched, value: Any) -> Any:
    """What a value is called in the study and in ``search.json``: itself, or the label of a choice."""
    if searched.choices is None:
        return value
    if value in searched.choices:
        return labels(searched.choices)[searched.choices.index(value)]
    return axis_label(value, searched.choices)  # the strength 0 of a baseline


def subjects(suite: Suite, *, fair: bool) -> list[Subject]:
    """The cells to search. Raises BenchError if the suite cannot be searched, or not so."""
    block = block_of(suite)
    if fair and len(suite.cells) < 2:
        raise BenchError(f"{suite.file}: a fair search compares the values of an axis; give the suite a `grid`")
    if not fair and len(suite.cells) != 1:
        raise BenchError(
            f"{suite.file}: a search needs one cell, found a grid of {len(suite.cells)}; --fair searches each of them"
        )
    for item in suite.cells:
        if not item.cell.data.validation.identities:
            raise BenchError(
                f"{suite.file}: data.validation.identities must be above 0: trials are scored on them alone"
            )
    if fair:
        _check_fair(suite, block)
    return [
        Subject(suite, ", ".join(item.axes.values()), item.axes, blocks)
        for item, blocks in zip(suite.cells, suite.blocks, strict=True)
    ]


def _check_fair(suite: Suite, block: SearchBlock) -> None:
    for name in block.fields:
        if any(within(name, fixed) or within(fixed, name) for fixed in FIXED_WHEN_FAIR):
            raise BenchError(
                f"{suite.file}: a fair search gives all trials the same compute, so {name} is not searched"
            )
    epochs = sorted({item.cell.recipe.epochs for item in suite.cells})
    if len(epochs) > 1:
        raise BenchError(f"{suite.file}: a fair search needs equal epochs, found {', '.join(map(str, epochs))}")


def blinded(cell: Cell) -> Cell:
    """The cell without any protocol: what a trial may see."""
    data = cell.data.model_copy(update={"protocols": []})
    evaluation = cell.evaluation.model_copy(update={"train_geometry": False})
    return cell.model_copy(update={"data": data, "evaluation": evaluation})


def whole(cell: Cell) -> Cell:
    """The cell trained on all training identities."""
    data = cell.data.model_copy(update={"validation": Validation()})
    recipe = cell.recipe.model_copy(update={"select": "last"})
    return cell.model_copy(update={"data": data, "recipe": recipe})


def searches_term(subject: Subject) -> bool:
    """Whether a field of the enhancing term is searched, so that strength 0 is the baseline."""
    return any(name.split(".")[0] == "enhancement" for name in subject.fields)


def baseline_values(subject: Subject, values: Values) -> dict[str, Any]:
    """The twin of a configuration at strength 0; where no field of the term is searched, the suite's own cell."""
    if not searches_term(subject):
        return {}
    return {**{name: value for name, value in values.items() if not name.startswith("enhancement")}, STRENGTH: 0.0}


def baseline_cell(subject: Subject, values: Values) -> Cell:
    """The cell of ``baseline_values``."""
    rest = {name: value for name, value in baseline_values(subject, values).items() if name != STRENGTH}
    cell = subject.cell(rest)
    return cell.model_copy(update={"enhancement": None}) if searches_term(subject) else cell


def planned(
    subject: Subject, cell: Cell, values: Values, seeds: list[int], data: PreparedData
) -> tuple[PlannedRun, ...]:
    """The runs of a configuration."""
    processes = subject.suite.executor.processes
    return tuple(plan_run(cell, seed, data, subject.names(values), processes) for seed in seeds)


def trial_seeds(suite: Suite) -> list[int]:
    return block_of(suite).seeds or [suite.seeds[0]]
