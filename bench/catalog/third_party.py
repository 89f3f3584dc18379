"""Which installed packages a training depends on beside this project: they are part of what it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.catalog import AUGMENTATIONS, BACKBONES, GATES, MARGINS, PROFILES, TERMS
from bench.errors import BenchError


def packages_of(config: Mapping[str, Any]) -> dict[str, str]:
    """Name and version of each package whose parts a training configuration uses; empty where it uses none.

    Raises BenchError for a part that no installed package declares: nobody could say what such a run had trained.
    """
    term = config["enhancement"]
    blocks = [
        (BACKBONES, config["backbone"]),
        (MARGINS, config["margin"]),
        *([] if term is None else [(GATES, term["gate"]), (PROFILES, term["profile"])]),
        *((TERMS, added) for added in config["terms"]),
        *((AUGMENTATIONS, step) for step in config["recipe"]["augmentation"]),
    ]
    found: dict[str, str] = {}
    for registry, block in blocks:
        spec = registry.get(block["name"])
        if (package := spec.package) is None:
            continue
        if package.version is None:
            raise BenchError(
                f"{spec.kind} {spec.name!r} was registered by module {spec.module}, which no installed "
                f"package declares as an entry point of {registry.entry_point_group}"
            )
        found[package.name] = package.version
    return dict(sorted(found.items()))
