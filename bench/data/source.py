"""A source named on the command line: a format, a path, and the format's options."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from bench.catalog import FORMATS
from bench.catalog.spec import Spec
from bench.data.types import ImageList, Protocol
from bench.errors import BenchError, SuiteError


class OptionError(BenchError):
    """An option that a format does not have, or a value that it does not take."""

    exit_code = SuiteError.exit_code


def read_named(name: str, path: Path, options: Mapping[str, Any]) -> ImageList | Protocol:
    """What the format reads at the path. Raises UnknownNameError, OptionError naming every mistake, or DataError."""
    spec = FORMATS.get(name)
    resolved, mistakes = spec.resolve(options)
    if mistakes:
        raise OptionError("\n".join(f"--option {option}: {mistake}" for option, mistake in mistakes))
    return read(spec, path, resolved)


def read(spec: Spec, path: Path, options: Mapping[str, Any] | None = None) -> ImageList | Protocol:
    """What a format reads at the path with these options, or its defaults. Raises DataError."""
    result: ImageList | Protocol = spec.function(path, **(spec.defaults if options is None else options))
    return result


def parse_options(texts: Iterable[str]) -> dict[str, Any]:
    """``KEY=VALUE`` texts, values as in a suite (YAML scalars). Raises OptionError."""
    options: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not (equals and key) or key in options:
            wrong = "is given twice" if key in options else "expected KEY=VALUE"
            raise OptionError(f"--option {text!r}: {wrong}")
        try:
            options[key] = yaml.safe_load(value)
        except yaml.YAMLError:
            options[key] = value
    return options


def images_of(found: ImageList | Protocol) -> ImageList:
    return found if isinstance(found, ImageList) else found.images
