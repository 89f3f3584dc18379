"""Which registered things go together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.catalog.spec import Spec


def gate_problem(margin: Spec, gate: str) -> str | None:
    """Why a margin does not admit a gate; None where it does. A loss without a posterior admits ``uniform`` only."""
    if "cost" not in margin.traits or "posterior" in margin.traits or gate == "uniform":
        return None
    return f"margin {margin.name!r} declares no posterior, so the gate must be 'uniform', found {gate!r}"


def term_problem(margin: Spec, options: Mapping[str, Any], term: Spec) -> str | None:
    """Why a margin with these options does not admit a term; None where it does."""
    sub = options.get(margin.traits.get("subcentres", ""), 1)
    if term.traits["place"] == "within" or sub == 1:
        return None
    return f"term {term.name!r} compares one centre a class, but margin {margin.name!r} has {sub}"
