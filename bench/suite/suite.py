"""A suite: its blocks checked, its grid expanded into resolved cells, every mistake reported at once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from bench.catalog import MARGINS
from bench.collecting import nothing_to_collect
from bench.errors import SHOWN, Mistake, SuiteError, nearest, unknown_name
from bench.suite import grid as grids
from bench.suite.base import Named
from bench.suite.blocks import CELL_BLOCKS, SUITE_BLOCKS, fields_at, is_tag, tags_at
from bench.suite.labels import axis_label
from bench.suite.named import loss_problems, resolve
from bench.suite.schema import Cell, ExecutorBlock, ReportBlock
from bench.suite.search_block import SearchBlock, Searched
from bench.suite.search_check import check_search
from bench.suite.source import Location, Source, parse_value, read_source

_seeds: TypeAdapter[list[int]] = TypeAdapter(Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)])
_name: TypeAdapter[str] = TypeAdapter(Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=80)])
_ASKED = {
    "metrics": "metric",
    "precision": "metric",
    "columns": "protocol",
    "headings": "protocol or axis",
    "order": "axis or column",
}
"""What the names in a part of the report block are names of."""


@dataclass(frozen=True)
class SuiteCell:
    """A resolved cell and the labels of its axes, as tables show them."""

    cell: Cell
    axes: dict[str, str]


@dataclass(frozen=True)
class Suite:
    """A suite ready to plan: every cell resolved and checked against the catalog."""

    name: str
    title: str
    file: str
    cells: tuple[SuiteCell, ...]
    seeds: tuple[int, ...]
    report: ReportBlock
    executor: ExecutorBlock
    search: SearchBlock | None
    warnings: tuple[str, ...]
    text: str = field(repr=False)
    blocks: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    """Of a suite that can be searched: the blocks of each cell as they are written."""

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()[:16]


def load_suite(path: Path, overrides: Sequence[str] = ()) -> Suite:
    """Reads, checks and expands a suite. ``overrides``: ``field=value`` texts. Raises SuiteError with all mistakes."""
    source = read_source(path)
    overridden: set[tuple[str, ...]] = set()
    for text in overrides:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise SuiteError([Mistake("--set", None, text, "must be field=value, such as data.root=PATH")])
        at = tuple(name.strip().split("."))
        if at[0] == "grid" and at[1:2] not in ((), ("zip",), ("exclude",)):
            at = ("grid", ".".join(at[1:]))  # an axis is one key, dots and all
        if at[:2] == ("search", "space") and len(at) > 2:
            last = at[-1:] if at[-1] in Searched.model_fields and len(at) > 3 else ()
            at = ("search", "space", ".".join(at[2 : len(at) - len(last)]), *last)  # so is a searched field
        overridden.add(at)
        grids.put(source.value, at, parse_value(value))
        for inner in [key for key in source.lines if key[: len(at)] == at]:
            del source.lines[inner]
    return _Loader(source, path, overridden).suite()


def load_cell(suite: Suite, blocks: Mapping[str, Any]) -> Cell:
    """One cell from its blocks as they could be written in the suite. Raises SuiteError with all mistakes."""
    source = Source(suite.file, {"name": suite.name, **blocks})
    return _Loader(source, Path(suite.file), set()).suite().cells[0].cell


class _Loader:
    """Collects the mistakes of one suite while its parts are read."""

    def __init__(self, source: Source, path: Path, overridden: set[tuple[str, ...]]) -> None:
        self.source, self.path, self.overridden = source, path, overridden
        self.mistakes: dict[Mistake, None] = {}
        self.warnings: dict[str, None] = {}
        self.cache: dict[tuple[str, str], Any] = {}
        self.checked: dict[tuple[object, ...], Any] = {}
        self.same: dict[tuple[str, str], Any] = {}
        self.written: list[Mapping[str, Any]] = []
        self.defaults = {
            name: self._shared(name, found.get_default())
            for name, found in Cell.model_fields.items()
            if not found.is_required()
        }

    def wrong(self, location: Location, problem: str) -> None:
        self.mistakes[self.source.mistake(location, problem)] = None

    def suite(self) -> Suite:
        value = self.source.value
        allowed = ["name", "title", *CELL_BLOCKS, "grid", "seeds", *SUITE_BLOCKS]
        for key in value:
            if key not in allowed:
                self.wrong((str(key),), unknown_name("block", str(key), allowed))
        name = self._typed(_name, value.get("name", self.path.stem), ("name",))
        title = value.get("title", "")
        if not isinstance(title, str):
            self.wrong(("title",), f"must be text, found {title!r}")
        seeds = value.get("seeds", [0])
        seeds = self._typed(_seeds, list(range(seeds)) if type(seeds) is int else seeds, ("seeds",)) or []
        if len(set(seeds)) < len(seeds):
            self.wrong(("seeds",), f"a seed is given twice: {seeds}")
        blocks = {k: self._block(k, value.get(k, {}), {}) for k in SUITE_BLOCKS if k != "search" or k in value}
        with nothing_to_collect():
            cells = self._cells(value)
        if blocks["report"] is not None and cells:
            self._shown(blocks["report"], cells)
        if blocks["executor"] is not None:
            self._batches_shared(blocks["executor"].processes, cells)
        if blocks.get("search") is not None and cells and seeds:
            axes = list(cells[0].axes)
            check_search(blocks["search"], self.written, axes, seeds, self._cell_apart, self.wrong)
        if self.mistakes:
            raise SuiteError(sorted(self.mistakes, key=lambda m: (m.line or 0, m.field)))
        text = json.dumps(value, sort_keys=True, default=str)
        return Suite(
            name, title, str(self.path), tuple(cells), tuple(seeds),
            blocks["report"], blocks["executor"], blocks.get("search"), tuple(self.warnings), text,
            tuple(self.written),
        )  # fmt: skip

    def _typed(self, adapter: TypeAdapter[Any], value: Any, at: Location) -> Any:
        try:
            return adapter.validate_python(value)
        except ValidationError as error:
            self._report(error, at, {})
            return None

    def _cells(self, value: Mapping[str, Any]) -> list[SuiteCell]:
        groups, excludes, wrong = grids.parse_grid(value.get("grid") or {})
        for location, problem in wrong:
            self.wrong(location, problem)
        for axis in (axis for group in groups for axis in group):
            if axis.path[0] not in CELL_BLOCKS:
                self.wrong(axis.location, unknown_name("field of a cell", axis.path[0], CELL_BLOCKS))
        groups = [group for group in groups if all(axis.path[0] in CELL_BLOCKS for axis in group)]
        axes = [axis for group in groups for axis in group]
        base = {key: value[key] for key in CELL_BLOCKS if key in value}
        for axis in axes:
            if axis.path in self.overridden:
                self.wrong(axis.path, f"is an axis of the grid, so this value would not be read; set grid.{axis.name}")
        for block in ("backbone", "margin"):
            if block not in base and not any(a.path[0] == block for a in axes):
                self.wrong((block,), "is missing: give the block, or make it an axis of the grid")
        labels = {axis: [axis_label(v, axis.values) for v in axis.values] for axis in axes}
        used = [False] * len(excludes)
        cells: dict[tuple[int, ...], SuiteCell] = {}
        parts = grids.Parts(base, axes)
        for choice in grids.choices(groups):
            if excludes:
                raw = parts.all(CELL_BLOCKS, choice)
                hit = [grids.matches(raw, pattern) for _, pattern in excludes]
                used = [u or h for u, h in zip(used, hit, strict=True)]
                if any(hit):
                    continue
            cell = self._cell(parts, choice)
            if cell is not None:
                named = {axis.name: labels[axis][index] for axis, index in choice.items()}
                same = tuple(id(getattr(cell, name)) for name in CELL_BLOCKS)  # equal blocks are one object
                if "search" in value and same not in cells:
                    given = {k: v for k, v in parts.all(CELL_BLOCKS, choice).items() if v is not None}
                    self.written.append(given | {k: value[k] for k in ("report", "executor") if k in value})
                cells.setdefault(same, SuiteCell(cell, named))
        for (location, pattern), did in zip(excludes, used, strict=True):
            if not did:
                self.wrong(location, f"excludes nothing: no cell matches {pattern!r}")
        if not cells and not self.mistakes:
            self.wrong(("grid",), "every cell is excluded, so the grid has zero runs")
        self._twins(list(cells.values()))
        return list(cells.values())

    def _cell(self, parts: grids.Parts, choice: Mapping[grids.Axis, int]) -> Cell | None:
        given: dict[str, Any] = {}
        for name in CELL_BLOCKS:
            key, raw = parts.of(name, choice)
            if raw is None and name != "data":
                continue
            if key not in self.checked:
                self.checked[key] = self._block(name, {} if raw is None else raw, choice)
            given[name] = self.checked[key]
        if any(block is None for block in given.values()) or not {"backbone", "margin"} <= given.keys():
            return None
        given = {**self.defaults, **given}
        if given["recipe"].micro_batch == given["recipe"].batch:
            whole = given["recipe"].model_copy(update={"micro_batch": None})
            given["recipe"] = self._shared("recipe", whole)
        if given["enhancement"] is not None and given["enhancement"].strength == 0:
            given["enhancement"] = None  # every gate and profile at λ = 0 is one and the same base loss
        cell = Cell(**given)
        if (part := cell.recipe.micro_batch) is not None and cell.recipe.batch % part:
            problem = f"must divide recipe.batch ({cell.recipe.batch}), found {part}"
            self._wrong_in_cell(("recipe", "micro_batch"), problem, choice)
        if cell.recipe.select == "validation" and not cell.data.validation.identities:
            self._wrong_in_cell(("recipe", "select"), "needs data.validation.identities > 0", choice)
        if cell.recipe.warmup_epochs >= cell.recipe.epochs:
            problem = f"must be below recipe.epochs ({cell.recipe.epochs}), found {cell.recipe.warmup_epochs}"
            self._wrong_in_cell(("recipe", "warmup_epochs"), problem, choice)
        for at, problem in loss_problems(cell):
            self._wrong_in_cell(at, problem, choice)
        return cell

    def _cell_apart(self, parts: grids.Parts, choice: Mapping[grids.Axis, int]) -> Cell | None:
        """A cell whose parts are not those of the cells before."""
        self.checked.clear()
        return self._cell(parts, choice)

    def _block(self, name: str, raw: Any, choice: Mapping[grids.Axis, int]) -> Any:
        """A block checked and resolved; None if it has a mistake. Equal blocks are checked once."""
        key = (name, json.dumps(raw, sort_keys=True, default=repr))
        if key in self.cache:
            return self.cache[key]
        before = len(self.mistakes)
        block: Any = None
        try:
            block = {**CELL_BLOCKS, **SUITE_BLOCKS}[name].model_validate(raw)
        except ValidationError as error:
            self._report(error, (name,), choice)
        if block is not None:
            block = resolve(name, block, lambda at, problem: self._wrong_in_cell(at, problem, choice))
        self.cache[key] = self._shared(name, block) if len(self.mistakes) == before else None
        return self.cache[key]

    def _shared(self, name: str, block: Any) -> Any:
        """The one object for all blocks that equal this one, so that cells are compared by identity."""
        return None if block is None else self.same.setdefault((name, block.model_dump_json()), block)

    def _report(self, error: ValidationError, at: Location, choice: Mapping[grids.Axis, int]) -> None:
        for item in error.errors(include_url=False):
            location: Location = (*at, *(p for p in item["loc"] if not is_tag(str(at[0]), p)))
            problem, tags = item["msg"].removeprefix("Value error, "), tags_at(location)
            match item["type"]:
                case "extra_forbidden":
                    problem = unknown_name("field", str(item["loc"][-1]), fields_at(at, item["loc"][:-1]))
                case "missing":
                    problem = "is missing"
                case "union_tag_invalid":
                    problem = unknown_name(str(location[-1]), str(item["input"]["name"]), tags)
                    location = (*location, "name")
                case "union_tag_not_found":
                    problem, location = f"is missing (allowed: {', '.join(tags)})", (*location, "name")
                case "model_attributes_type" if tags:
                    like = nearest(item["input"], tags) if isinstance(item["input"], str) else None
                    allowed = f"must be a block such as {{name: {like or tags[0]}}} (allowed: {', '.join(tags)})"
                    problem = f"{allowed}, found {item['input']!r}"
                case "value_error":
                    pass
                case _:
                    problem = f"{problem}, found {item['input']!r}"
            self._wrong_in_cell(location, problem, choice)

    def _wrong_in_cell(self, at: Location, problem: str, choice: Mapping[grids.Axis, int]) -> None:
        """Reports a mistake where the user wrote it: in the block, or in the axis that put the value there."""
        for axis, index in sorted(choice.items(), key=lambda item: -len(item[0].path)):
            if at[: len(axis.path)] == axis.path:
                self.wrong((*axis.place(index), *at[len(axis.path) :]), problem)
                return
        self.wrong(at, problem)

    def _shown(self, report: ReportBlock, cells: Sequence[SuiteCell]) -> None:
        """A column that no cell would fill is a mistake, and so is an axis that the suite has not."""
        evaluations = {id(item.cell.evaluation): item.cell.evaluation for item in cells}
        measured = dict.fromkeys(name for evaluation in evaluations.values() for name in evaluation.metrics)
        data = {id(item.cell.data): item.cell.data for item in cells}
        protocols = dict.fromkeys([*(p.name for block in data.values() for p in block.protocols), "train"])
        axes = dict.fromkeys(axis for item in cells for axis in item.axes)
        columns = [f"{protocol}.{metric}" for protocol in protocols for metric in measured]
        asked: list[tuple[str, Iterable[tuple[str | int, str]], Collection[str]]] = [
            ("metrics", enumerate(report.metrics), measured),
            ("precision", ((name, name) for name in report.precision), measured),
            ("columns", enumerate(report.columns), protocols),
            ("headings", ((name, name) for name in report.headings), [*protocols, *axes]),
            ("order", enumerate(report.order), [*axes, *columns]),
        ]
        for part, names, known in asked:
            for at, name in names:
                if name not in known:
                    shown = len(known) if part == "metrics" else SHOWN
                    self.wrong(("report", part, at), unknown_name(_ASKED[part], name, known, show=shown))
        if report.group_by is not None and report.group_by not in axes:
            self.wrong(("report", "group_by"), unknown_name("axis", report.group_by, axes))

    def _batches_shared(self, processes: int, cells: Sequence[SuiteCell]) -> None:
        """Each process of a run gets as many images of a batch, and as many micro-batches."""
        for recipe in {id(item.cell.recipe): item.cell.recipe for item in cells}.values() if processes > 1 else ():
            batch, part = recipe.batch, recipe.micro_batch
            if batch % processes:
                problem = f"must be a multiple of executor.processes ({processes}), found {batch}"
                self.wrong(("recipe", "batch"), problem)
            elif part is not None and batch // processes % part:
                problem = f"must divide what each of {processes} processes has of a batch ({batch // processes})"
                self.wrong(("recipe", "micro_batch"), f"{problem}, found {part}")
            if recipe.precision == "float16":
                problem = "float16 scales the loss in one process; with executor.processes take bfloat16 or float32"
                self.wrong(("recipe", "precision"), problem)

    def _twins(self, cells: Sequence[SuiteCell]) -> None:
        """Warns of cells whose gradients are the same by definition (matched and cosine where ψ' = −sin θ)."""
        both = {"matched", "cosine"} <= {item.cell.enhancement.profile.name for item in cells if item.cell.enhancement}
        seen: dict[tuple[object, ...], str] = {}
        for item in cells if both else ():
            term, margin = item.cell.enhancement, item.cell.margin
            if term is None or term.profile.name not in ("matched", "cosine"):
                continue
            straight = margin.options.get("margin_gradient") == "straight_through"
            if MARGINS.get(margin.name).traits.get("angular") and not straight:
                continue
            alike = term.model_copy(update={"profile": Named(name="cosine")}).model_dump_json()
            key = (alike, *(id(getattr(item.cell, name)) for name in CELL_BLOCKS if name != "enhancement"))
            other = seen.setdefault(key, term.profile.name)
            if other != term.profile.name:
                self.warnings[
                    f"{margin.name}, strength {term.strength:g}: the profiles matched and cosine have the same "
                    "gradient with this margin; these cells are twins"
                ] = None
