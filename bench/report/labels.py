"""How protocols and axes are called in tables and figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from bench.catalog import TERMS

if TYPE_CHECKING:
    import pandas as pd

_PROTOCOLS = {
    "lfw": "LFW", "ytf": "YTF", "cfp_fp": "CFP-FP", "cfp_ff": "CFP-FF", "agedb_30": "AgeDB-30",
    "ijbb": "IJB-B", "ijbc": "IJB-C", "train": "training",
}  # fmt: skip
_AXES = {"enhancement.strength": "λ", "enhancement.gate": "gate", "enhancement.profile": "profile"}


def protocol_label(name: str) -> str:
    return _PROTOCOLS.get(name, name.upper().replace("_", "-"))


def axis_label(axis: str) -> str:
    return _AXES.get(axis, axis.removesuffix(".name"))


def signed(value: float, digits: int) -> str:
    """``+0.26``, ``−1.94``: of a difference, with a minus as wide as the plus."""
    return f"{value:+.{digits}f}".replace("-", "−")


def baseline_label(search: Mapping[str, Any]) -> str:
    """What the trials of a search (a record as ``search.json`` has it) are measured against."""
    return "λ = 0" if any(name.split(".")[0] == "enhancement" for name in search["space"]) else "as written"


def telling(frame: pd.DataFrame, axes: Iterable[str]) -> list[str]:
    """Of the axes those that tell rows apart which the ones before do not; ``frame``: all rows, finished or not."""
    found: list[str] = []
    groups = 1
    for axis in axes:
        count = frame.groupby([*found, axis], dropna=False, sort=False).ngroups
        if count > groups:
            found, groups = [*found, axis], count
    return found


def terms_label(terms: Iterable[Mapping[str, Any]]) -> str:
    """Terms that are added to the loss, joined by +, each with what is not its usual weight or option; "" for none."""
    return " + ".join(_term(term) for term in terms)


def _term(term: Mapping[str, Any]) -> str:
    name = str(term["name"])
    spec = TERMS.get(name) if name in TERMS else None  # a plan outlives the package that brought its term
    usual = {} if spec is None else {**spec.defaults, "weight": spec.traits["weight"]}
    unusual = [f"{key}={value}" for key, value in term.items() if key != "name" and value != usual.get(key)]
    return f"{name}({', '.join(sorted(unusual))})" if unusual else name
