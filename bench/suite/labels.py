"""Short texts for the values of an axis, as tables show them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any


def axis_label(value: Any, siblings: Sequence[Any]) -> str:
    """A short text for an axis value: the name alone where that tells it from the others, else with its options."""
    if not isinstance(value, Mapping):
        return "none" if value is None else f"{value:g}" if isinstance(value, float) else _text(value)
    called = "name" if "name" in value else "format"
    names = [s.get(called) if isinstance(s, Mapping) else s for s in siblings]
    name = str(value.get(called, ""))
    if name and names.count(name) == 1:
        return name
    rest = ", ".join(f"{k}={_text(v)}" for k, v in value.items() if k != called)
    return f"{name}({rest})" if name else rest


def _text(value: Any) -> str:
    if isinstance(value, list):
        return "+".join(_text(v) for v in value)
    if isinstance(value, Mapping):
        return str(value.get("name") or value.get("format") or json.dumps(value, sort_keys=True))
    return str(value)
