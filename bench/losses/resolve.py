"""From a block of a configuration to a spec and its options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.catalog import Registry, Spec
from bench.errors import BenchError


def resolve(registry: Registry, block: Mapping[str, Any]) -> tuple[Spec, dict[str, Any]]:
    """The spec and all options of ``{"name": …, **options}``.

    Raises UnknownNameError for a name that is not registered, BenchError with every option that is wrong.
    """
    spec = registry.get(block["name"])
    options, mistakes = spec.resolve({key: value for key, value in block.items() if key != "name"})
    if mistakes:
        raise BenchError("\n".join(f"{spec.kind} {spec.name!r}: {key}: {problem}" for key, problem in mistakes))
    return spec, options
