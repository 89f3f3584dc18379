"""What the templates of a whole test set say, beyond its list of pairs: geometry, all pairs, identification."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bench.data.types import Int
from bench.evaluation.all_pairs import all_pairs, all_pairs_intervals
from bench.evaluation.bootstrap import Interval
from bench.evaluation.geometry import PER_IDENTITY, QUADRUPLE, measure
from bench.evaluation.geometry_intervals import geometry_intervals
from bench.evaluation.identification import identification_intervals, identify, search_within
from bench.evaluation.measures import Measures
from bench.evaluation.templates import Floats
from bench.evaluation.verification import TarAtFar

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Part:
    """Some of a record: see `measure_scores` for its fields. ``angles``: histograms, or None."""

    metrics: Mapping[str, float | None]
    facts: Mapping[str, int]
    notes: Mapping[str, str]
    intervals: Mapping[str, Interval] = field(default_factory=dict)
    angles: Mapping[str, Any] | None = None


def measure_whole_set(
    templates: Floats, identity: Int, measures: Measures, *, device: str | torch.device
) -> Iterator[Part]:
    """Every part that is asked for of unit template embeddings (T, d) with people (T,); ``device`` changes no bit."""
    if measures.all_pairs_far:
        yield _all_pairs(templates, identity, measures, device)
    if measures.ranks or measures.fpir:
        yield _identification(templates, identity, measures, device)
    yield _geometry(templates, identity, measures)


def _geometry(templates: Floats, identity: Int, measures: Measures) -> Part:
    found = measure(templates, identity)
    notes = {"geometry": f"of {found.identities:,} people with {found.images} templates each"}
    if not found.identities:
        notes = {"geometry": f"not measurable: needs two people with {QUADRUPLE} templates each"}
    elif found.top_axis_share_per_identity is None:
        notes["top_axis_share_per_identity"] = f"needs {PER_IDENTITY} templates a person"
    intervals = geometry_intervals(found, **measures.drawn()) if measures.bootstrap else {}
    return Part(found.metrics(), found.facts(), notes, intervals, found.angles())


def _all_pairs(templates: Floats, identity: Int, measures: Measures, device: str | torch.device) -> Part:
    found = all_pairs(templates, identity, fars=measures.all_pairs_far, device=device)
    notes = {
        f"all_pairs_tar_at_far_{point.far}": limit_text(point, found.impostor, "impostors")
        for point in found.tar_at_far
    }
    intervals = {}
    if measures.bootstrap:
        intervals = all_pairs_intervals(
            templates, identity, fars=measures.all_pairs_far, device=device, **measures.drawn()
        )
    return Part(found.metrics(), found.facts(), notes, intervals)


def _identification(templates: Floats, identity: Int, measures: Measures, device: str | torch.device) -> Part:
    searched = search_within(templates, identity, device=device)
    found = identify(searched, fpirs=measures.fpir, ranks=measures.ranks)
    notes = {
        f"tpir_at_fpir_{point.far}": limit_text(point, found.unmated, "probes without a mate") for point in found.tpir
    }
    sizes = f"{found.mated:,} probes among {found.gallery:,} people"
    for rank in measures.ranks:
        measurable = found.mated and rank < found.gallery
        notes[f"rank_{rank}"] = sizes if measurable else f"not measurable: {sizes}"
    intervals = {}
    if measures.bootstrap:
        intervals = identification_intervals(searched, fpirs=measures.fpir, ranks=measures.ranks, **measures.drawn())
    return Part(found.metrics(), found.facts(), notes, intervals)


def limit_text(point: TarAtFar, count: int, what: str) -> str:
    """How many a rate lets through, or that it cannot be measured."""
    limit = "not measurable:" if point.tar is None else f"at most {point.allowed:,} of"
    return f"{limit} {count:,} {what}"
