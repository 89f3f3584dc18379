"""The losses that a plan trains with: each margin with each form of the enhancing term, and at which strengths."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.catalog import GATES, MARGINS, PROFILES
from bench.errors import BenchError
from bench.records import canonical
from bench.report.labels import axis_label


@dataclass(frozen=True)
class Loss:
    """``margin``: {"name", **options}; ``term``: its gate and profile, None where there is only the base loss.
    ``strengths``: rising, 0 among them where the base loss is planned too."""

    title: str
    margin: dict[str, Any]
    term: dict[str, Any] | None
    strengths: tuple[float, ...]


def planned_losses(plan: Mapping[str, Any]) -> list[Loss]:
    """Each once, in plan order; what else a loss may have, terms that are added among it, is left out."""
    enhanced: dict[str, Loss] = {}
    plain: dict[str, Loss] = {}
    for run in plan["runs"]:
        margin, given = dict(run["config"]["margin"]), run["config"].get("enhancement") or {}
        strength = float(given.get("strength") or 0.0)
        term = {key: given[key] for key in ("gate", "profile")} if strength else None
        kept, key = (enhanced, canonical([margin, term])) if strength else (plain, canonical(margin))
        before = kept[key].strengths if key in kept else ()
        title = kept[key].title if key in kept else _title(run["axes"], margin["name"], enhanced=term is not None)
        kept[key] = Loss(title, margin, term, tuple(sorted({*before, strength})))
    both = {canonical(loss.margin) for loss in enhanced.values()}
    forms = [
        Loss(loss.title, loss.margin, loss.term, (*plain[key].strengths, *loss.strengths) if key in plain else
             loss.strengths)
        for loss in enhanced.values()
        for key in (canonical(loss.margin),)
    ]  # fmt: skip
    return _told_apart([*forms, *(loss for key, loss in plain.items() if key not in both)])


def _title(axes: Mapping[str, str], margin: str, *, enhanced: bool) -> str:
    """The margin, and what else of the loss is on an axis."""
    others = [
        f"{axis_label(axis)} {value}"
        for axis, value in axes.items()
        if axis.startswith("margin.")
        or (axis.startswith("enhancement.") and axis != "enhancement.strength" and enhanced)
    ]
    return "\n".join([str(axes.get("margin", margin)), *others])


def _told_apart(losses: list[Loss]) -> list[Loss]:
    """With a number where titles are the same, as those of several options that no axis names."""
    titles = [loss.title for loss in losses]
    return [
        Loss(f"{loss.title} ({titles[:i].count(loss.title) + 1})", loss.margin, loss.term, loss.strengths)
        if titles.count(loss.title) > 1
        else loss
        for i, loss in enumerate(losses)
    ]


def installed(loss: Loss) -> None:
    """Raises BenchError naming what a plan asks for and is not registered where the report is written."""
    parts = [] if loss.term is None else [(GATES, loss.term["gate"]["name"]), (PROFILES, loss.term["profile"]["name"])]
    for registry, name in [(MARGINS, loss.margin["name"]), *parts]:
        if name not in registry:
            raise BenchError(f"{registry.kind} {name!r} is not installed here")
