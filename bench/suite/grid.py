"""From a grid block to cells: products, zipped groups, exclusions. Plain data in, plain data out."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.suite.source import Location

Path = tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Axis:
    """A field (dotted path) with the values it takes, and where in the suite they stand (``places``: each of them,
    where they are no list at ``location``)."""

    path: Path
    values: tuple[Any, ...]
    location: Location
    places: tuple[Location, ...] = ()

    @property
    def name(self) -> str:
        return ".".join(self.path)

    def place(self, index: int) -> Location:
        return self.places[index] if self.places else (*self.location, index)


def parse_grid(
    grid: Any,
) -> tuple[list[list[Axis]], list[tuple[Location, dict[str, Any]]], list[tuple[Location, str]]]:
    """Groups of axes that move together (a lone axis is a group of one), exclusions, and mistakes."""
    if not isinstance(grid, Mapping):
        return [], [], [(("grid",), f"must map dotted fields to lists of values, found {grid!r}")]
    groups: list[list[Axis]] = []
    excludes: list[tuple[Location, dict[str, Any]]] = []
    mistakes: list[tuple[Location, str]] = []

    def axis(name: str, values: Any, at: Location, *, alone: bool) -> Axis | None:
        if not isinstance(values, list):
            mistakes.append((at, f"must be a list of values, found {values!r}"))
        elif not values:
            mistakes.append((at, "has no value, so the grid has zero runs"))
        else:
            repeated = [v for i, v in enumerate(values) if v in values[:i]]
            if repeated and alone:
                mistakes.append((at, f"holds {repeated[0]!r} twice"))
            return Axis(tuple(str(name).split(".")), tuple(values), at)
        return None

    for key, value in grid.items():
        if key == "zip":
            for index, group in enumerate(value if isinstance(value, list) else [value]):
                at: Location = ("grid", "zip", index) if isinstance(value, list) else ("grid", "zip")
                if not isinstance(group, Mapping) or not group:
                    mistakes.append((at, f"a zip group maps dotted fields to lists of one length, found {group!r}"))
                    continue
                axes = [a for name, values in group.items() if (a := axis(name, values, (*at, name), alone=False))]
                lengths = {a.name: len(a.values) for a in axes}
                if len(set(lengths.values())) > 1:
                    sizes = ", ".join(f"{n}: {length}" for n, length in lengths.items())
                    mistakes.append((at, f"the lists of a zip group must have one length, found {sizes}"))
                elif axes:
                    points = list(zip(*(a.values for a in axes), strict=True))
                    if repeated := [i for i, point in enumerate(points) if point in points[:i]]:
                        mistakes.append((at, f"its point {repeated[0] + 1} is there twice"))
                    groups.append(axes)
        elif key == "exclude":
            for index, pattern in enumerate(value if isinstance(value, list) else [value]):
                at = ("grid", "exclude", index) if isinstance(value, list) else ("grid", "exclude")
                if not isinstance(pattern, Mapping) or not pattern:
                    mistakes.append((at, f"a pattern maps dotted fields to values, found {pattern!r}"))
                else:
                    excludes.append((at, dict(pattern)))
        elif (a := axis(key, value, ("grid", key), alone=True)) is not None:
            groups.append([a])
    seen: dict[str, Location] = {}
    for a in itertools.chain.from_iterable(groups):
        if a.name in seen:
            mistakes.append((a.location, f"{a.name} is an axis twice"))
        seen[a.name] = a.location
    return groups, excludes, mistakes


def choices(groups: Sequence[Sequence[Axis]]) -> Iterator[dict[Axis, int]]:
    """Every point of the product: axis → index of its value. The last group moves fastest."""
    for point in itertools.product(*(range(len(group[0].values)) for group in groups)):
        yield {axis: index for group, index in zip(groups, point, strict=True) for axis in group}


def apply(base: Mapping[str, Any], choice: Mapping[Axis, int]) -> dict[str, Any]:
    """The base blocks with a point's values put in; whole blocks first, then the fields inside them."""
    cell = copy.deepcopy(dict(base))
    for axis in sorted(choice, key=lambda a: len(a.path)):
        put(cell, axis.path, copy.deepcopy(axis.values[choice[axis]]))
    return cell


class Parts:
    """The blocks of a grid's cells. One that several points share, because no axis in it moves, is made once."""

    def __init__(self, base: Mapping[str, Any], axes: Sequence[Axis]) -> None:
        self._base, self._axes = base, {axis.path[0]: [a for a in axes if a.path[0] == axis.path[0]] for axis in axes}
        self._made: dict[tuple[object, ...], Any] = {}

    def of(self, block: str, choice: Mapping[Axis, int]) -> tuple[tuple[object, ...], Any]:
        """A block at a point, None where there is none, and a key that it shares with the points it is equal at.

        It is the same object each time: not to be changed.
        """
        axes = self._axes.get(block, ())
        key = (block, *(choice[axis] for axis in axes))
        if key not in self._made:
            base = {block: self._base[block]} if block in self._base else {}
            self._made[key] = apply(base, {axis: choice[axis] for axis in axes}).get(block)
        return key, self._made[key]

    def all(self, blocks: Iterable[str], choice: Mapping[Axis, int]) -> dict[str, Any]:
        """The cell at a point."""
        return {block: self.of(block, choice)[1] for block in blocks}


def put(tree: dict[str, Any], path: Path, value: Any) -> None:
    """Sets a dotted field, making the blocks on the way; a name alone becomes a block with that name."""
    for part in path[:-1]:
        inner = tree.get(part)
        if isinstance(inner, str):
            inner = {"name": inner}
        if not isinstance(inner, dict):
            inner = {}
        tree[part] = inner
        tree = inner
    tree[path[-1]] = value


def get(tree: Any, path: Path) -> Any:
    """The value at a dotted field, or None; a name alone is a block with that name."""
    for part in path:
        if part == "name" and isinstance(tree, str):
            return tree
        if not isinstance(tree, Mapping):
            return None
        tree = tree.get(part)
    return tree


def matches(cell: Mapping[str, Any], pattern: Mapping[str, Any]) -> bool:
    """Whether every field of the pattern holds in the cell; a block matches on the keys that the pattern gives."""
    return all(_agrees(get(cell, tuple(name.split("."))), wanted) for name, wanted in pattern.items())


def _agrees(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, str) and isinstance(found, Mapping):
        return found.get("name") == wanted
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and all(_agrees(found.get(k), v) for k, v in wanted.items())
    if isinstance(wanted, list) and not isinstance(found, list):
        return any(_agrees(found, option) for option in wanted)
    return bool(found == wanted)
