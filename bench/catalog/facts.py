"""What is known of well-known data sets: counts with their sources, compared where a suite says `facts: NAME`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

FACTS: dict[str, dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("facts.yaml").read_text(encoding="utf-8"))
"""Name → ``source`` (text) and counts."""


def expected_counts(name: str) -> dict[str, int]:
    """The counts of a known data set: any of images, identities, videos, templates, pairs, genuine, folds."""
    return {key: value for key, value in FACTS[name].items() if key != "source"}


def disagreements(name: str, found: Mapping[str, int]) -> list[str]:
    """Where counts differ from a known data set's, each with both numbers; a count that was not taken is left out."""
    return [
        f"{found[key]:,} {key}, {name} has {count:,}"
        for key, count in expected_counts(name).items()
        if key in found and found[key] != count
    ]
