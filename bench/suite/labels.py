"""Short texts for the values of an axis, as tables show them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any


def axis_label(value: Any, siblings: Sequence[Any]) -> str:
    """A short text for an axis value: its name where that tells it from the others, else with the options that do.

    A list is told by its items, joined by +; an empty one is "none".
    """
    if isinstance(value, list):
        short = _text(value)
        alone = [_text(s) for s in siblings].count(short) == 1
        return (short if alone else "+".join(_with_options(v) for v in value)) or "none"
    if not isinstance(value, Mapping):
        return "none" if value is None else f"{value:g}" if isinstance(value, float) else _text(value)
    called = _called(value)
    name = str(value.get(called, ""))
    alike = [_as_block(s, called) for s in siblings if name and _as_block(s, called).get(called) == name]
    if len(alike) == 1:
        return name
    differ = {key for other in alike for key in {*other, *value} if other.get(key) != value.get(key)}
    return _with_options({called: name} | {k: v for k, v in value.items() if k in differ} if name else value)


def _as_block(value: Any, called: str) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {called: value}


def _called(value: Mapping[str, Any]) -> str:
    return "name" if "name" in value else "format"


def _with_options(value: Any) -> str:
    if not isinstance(value, Mapping):
        return _text(value)
    name = str(value.get(_called(value), ""))
    rest = ", ".join(f"{k}={_text(v)}" for k, v in value.items() if k != _called(value))
    return f"{name}({rest})" if name and rest else name or rest


def _text(value: Any) -> str:
    if isinstance(value, list):
        return "+".join(_text(v) for v in value)
    if isinstance(value, Mapping):
        return str(value.get("name") or value.get("format") or json.dumps(value, sort_keys=True))
    return str(value)
