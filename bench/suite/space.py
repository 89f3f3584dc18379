"""The space of a search as plain data: its fields in the order in which they are decided, and its points."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from bench.suite.grid import matches, put
from bench.suite.labels import axis_label
from bench.suite.search_block import Scalar, Searched

Fields = Mapping[str, Searched]
Blocks = Mapping[str, Any]
"""The blocks of a cell as they are written in a suite."""


def in_order(fields: Fields) -> dict[str, Searched]:
    """Fields so that whole blocks come before the fields in them, and conditions before what hangs on them.

    Raises ValueError where conditions go in a circle.
    """
    left, found = dict(fields), dict[str, Searched]()
    while left:
        free = [name for name in left if not any(_decides(other, name, left[name]) for other in left if other != name)]
        if not free:
            raise ValueError(f"the conditions of {', '.join(left)} go in a circle")
        found[free[0]] = left.pop(free[0])
    return found


def _decides(other: str, name: str, searched: Searched) -> bool:
    return within(name, other) or any(within(key, other) or within(other, key) for key in searched.when or ())


def within(inner: str, outer: str) -> bool:
    """Whether a dotted field is another one or lies in it."""
    return f"{inner}.".startswith(f"{outer}.")


def applies(searched: Searched, blocks: Blocks) -> bool:
    """Whether a field is searched in a configuration that is decided so far."""
    return searched.when is None or matches(blocks, searched.when)


def placed(blocks: Blocks, field: str, value: Any) -> dict[str, Any]:
    """The blocks with one field set."""
    changed = copy.deepcopy(dict(blocks))
    put(changed, tuple(field.split(".")), copy.deepcopy(value))
    return changed


def points(fields: Fields, blocks: Blocks, values: Callable[[Searched], Sequence[Any]]) -> Iterator[dict[str, Any]]:
    """Every configuration, field → value, where each of the ordered ``fields`` takes ``values``; the last moves
    fastest."""
    if not fields:
        yield {}
        return
    name, searched = next(iter(fields.items()))
    rest = {key: value for key, value in fields.items() if key != name}
    if not applies(searched, blocks):
        yield from points(rest, blocks, values)
        return
    for value in values(searched):
        for others in points(rest, placed(blocks, name, value), values):
            yield {name: value, **others}


def stepped(searched: Searched) -> list[Any] | None:
    """Every value of a field, rising; None where there are infinitely many."""
    if searched.choices is not None:
        return searched.choices
    step = searched.step or (1 if searched.int else None)
    if step is None:
        return None
    low, high = ends(searched)
    count = int((high - low) / step + 1e-9) + 1
    return [round(low + i * step) if searched.int else round(low + i * step, 12) for i in range(count)]


def ends(searched: Searched) -> list[Any]:
    """The two ends of a range, or all choices."""
    if searched.choices is not None:
        return searched.choices
    both = [searched.low or 0.0, searched.high or 0.0]
    return [round(end) for end in both] if searched.int else both


def labels(choices: Sequence[Any]) -> list[Scalar]:
    """A text, number or truth value for each choice, by which it is known to samplers, in tables and figures."""
    named: list[Scalar] = [
        value if isinstance(value, bool | int | float | str | None) else axis_label(value, choices) for value in choices
    ]
    return named if len(set(named)) == len(named) else [repr(value) for value in choices]
