"""How protocols and axes are called in tables and figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bench.catalog import TERMS

_PROTOCOLS = {
    "lfw": "LFW", "ytf": "YTF", "cfp_fp": "CFP-FP", "cfp_ff": "CFP-FF", "agedb_30": "AgeDB-30",
    "ijbb": "IJB-B", "ijbc": "IJB-C", "train": "training",
}  # fmt: skip
_AXES = {"enhancement.strength": "λ", "enhancement.gate": "gate", "enhancement.profile": "profile"}


def protocol_label(name: str) -> str:
    return _PROTOCOLS.get(name, name.upper().replace("_", "-"))


def axis_label(axis: str) -> str:
    return _AXES.get(axis, axis.removesuffix(".name"))


def terms_label(terms: Iterable[Mapping[str, Any]]) -> str:
    """Terms that are added to the loss, joined by +, each with what is not its usual weight or option; "" for none."""
    return " + ".join(_term(term) for term in terms)


def _term(term: Mapping[str, Any]) -> str:
    name = str(term["name"])
    spec = TERMS.get(name) if name in TERMS else None  # a plan outlives the package that brought its term
    usual = {} if spec is None else {**spec.defaults, "weight": spec.traits["weight"]}
    unusual = [f"{key}={value}" for key, value in term.items() if key != "name" and value != usual.get(key)]
    return f"{name}({', '.join(sorted(unusual))})" if unusual else name
