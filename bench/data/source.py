"""A source by format, path and the format's options: what is in it, who, and how many."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bench.catalog import FORMATS
from bench.catalog.facts import disagreements, expected_counts
from bench.catalog.spec import Spec
from bench.data.types import ImageList, Protocol
from bench.errors import DataError, Mistake, SuiteError


def read_named(name: str, path: Path, options: Mapping[str, Any]) -> ImageList | Protocol:
    """What the format reads at the path. Raises UnknownNameError, SuiteError naming every mistake, or DataError."""
    return read(FORMATS.get(name), path, _resolved(name, options))


def _resolved(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """All options of a format, defaults filled in. Raises SuiteError naming every mistake."""
    resolved, mistakes = FORMATS.get(name).resolve(options)
    if mistakes:
        raise SuiteError(Mistake("--option", None, option, problem) for option, problem in mistakes)
    return resolved


def read(spec: Spec, path: Path, options: Mapping[str, Any] | None = None) -> ImageList | Protocol:
    """What a format reads at the path with these options, or its defaults. Raises DataError."""
    result: ImageList | Protocol = spec.function(path, **(spec.defaults if options is None else options))
    return result


def images_of(found: ImageList | Protocol) -> ImageList:
    return found if isinstance(found, ImageList) else found.images


def people_at(name: str, path: Path, options: Mapping[str, Any]) -> tuple[str, ...]:
    """Everybody in a source's data set, also those whom no pair names; nobody where it names nobody.

    Needs lists and folders only, no image, where the format can tell (trait ``people``).
    """
    spec = FORMATS.get(name)
    people = spec.traits.get("people")
    if people is not None:
        return tuple(people(path, **_resolved(name, options)))
    images = images_of(read(spec, path, _resolved(name, options)))
    return tuple(images.identities) if images.named else ()


def counts_of(name: str, path: Path, found: ImageList | Protocol) -> dict[str, int]:
    """What is counted in a source: of a training set images and identities, of a protocol pairs, folds and templates,
    and what its format counts in the whole data set (trait ``census``)."""
    census = FORMATS.get(name).traits.get("census")
    whole: dict[str, int] = census(path) if census else {}
    if isinstance(found, ImageList):
        return {**whole, "images": len(found.files), "identities": len(found.identities)}
    folds = {} if found.fold is None else {"folds": len(np.unique(found.fold))}
    pairs = {"pairs": len(found.same), "genuine": int(found.same.sum()), "templates": len(found.template_names)}
    return {**pairs, **folds, **whole}


def disagreements_with(facts: str, name: str, path: Path, found: ImageList | Protocol) -> list[str]:
    """Where a source's counts differ from those of a known data set, each with both numbers.

    Raises DataError where the facts say nothing of what the format counts.
    """
    counts, expected = counts_of(name, path, found), expected_counts(facts)
    if not counts.keys() & expected.keys():
        raise DataError(
            f"{path}: the facts of {facts} ({', '.join(expected)}) say nothing of what format {name} counts "
            f"({', '.join(counts)})"
        )
    return disagreements(facts, counts)
