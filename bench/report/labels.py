"""How protocols and axes are called in tables and figures."""

from __future__ import annotations

_PROTOCOLS = {
    "lfw": "LFW", "ytf": "YTF", "cfp_fp": "CFP-FP", "cfp_ff": "CFP-FF", "agedb_30": "AgeDB-30",
    "ijbb": "IJB-B", "ijbc": "IJB-C", "train": "training",
}  # fmt: skip
_AXES = {"enhancement.strength": "λ", "enhancement.gate": "gate", "enhancement.profile": "profile"}


def protocol_label(name: str) -> str:
    return _PROTOCOLS.get(name, name.upper().replace("_", "-"))


def axis_label(axis: str) -> str:
    return _AXES.get(axis, axis.removesuffix(".name"))
