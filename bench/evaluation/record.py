"""From embeddings, or scores alone, to the record of one protocol: the same numbers for a suite and for any model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.errors import DataError
from bench.evaluation.all_pairs import all_pairs, all_pairs_intervals
from bench.evaluation.bootstrap import Interval, bootstrap_replicates, percentile_interval
from bench.evaluation.geometry import PER_IDENTITY, QUADRUPLE, Geometry, measure
from bench.evaluation.geometry_intervals import geometry_intervals
from bench.evaluation.identification import identification_intervals, identify, search_within
from bench.evaluation.lists import ProtocolLists
from bench.evaluation.pairs import Direction, Float
from bench.evaluation.templates import Floats, pair_scores, pool, unit_rows
from bench.evaluation.verification import Verification, verify

Record = dict[str, Any]
Replicates = dict[str, Float]


@dataclass(frozen=True)
class Measures:
    """What is measured. ``far``: rates of TAR@FAR, exact decimals; ``all_pairs_far``: of every template against every
    other; ``ranks`` and ``fpir``: of identification; empty: not measured.

    ``bootstrap``: replicates over people, drawn by ``seed``; 0: no intervals. ``level``: their coverage. ``device``:
    where the products of all pairs are made; it changes no bit.
    """

    far: tuple[str, ...] = ("1e-2", "1e-3")
    all_pairs_far: tuple[str, ...] = ()
    ranks: tuple[int, ...] = ()
    fpir: tuple[str, ...] = ()
    bootstrap: int = 0
    seed: int = 0
    level: float = 0.95
    device: str = field(default="cpu", compare=False)

    def told(self) -> Record:
        """As it stands in a record."""
        return {key: value for key, value in asdict(self).items() if key != "device"}


def measure_images(
    raw: npt.ArrayLike, test: ProtocolLists, measures: Measures, *, kept: Replicates | None = None
) -> tuple[Record, Floats, Floats]:
    """Record, scores (P,) and templates (T, d) of raw image embeddings (N, d) in the order of ``test.images``.

    ``kept``: see `measure_scores`. Raises DataError naming the images whose embedding is zero or not finite, and as
    `measure_protocol` does.
    """
    unit = unit_rows(raw, test.images)
    templates = pool(unit, test.template, len(test.template_names), test.media)
    record, scores = measure_protocol(templates, test, measures, kept=kept)
    record["facts"]["images"] = len(test.images)
    return record, scores, templates


def measure_protocol(
    templates: Floats, test: ProtocolLists, measures: Measures, *, kept: Replicates | None = None
) -> tuple[Record, Floats]:
    """Record and scores (P,) float32 of unit template embeddings (T, d): `measure_scores` and, where the protocol says
    who its people are, all pairs, identification and geometry."""
    scores = pair_scores(templates, test.pairs)
    record = measure_scores(scores, test, measures, kept=kept)
    record["facts"] |= {"templates": len(templates), "dimension": templates.shape[1]}
    if test.named:
        _add_all_pairs(record, templates, test, measures)
        _add_identification(record, templates, test, measures)
        _add_geometry(record, templates, test, measures)
    else:
        unknown = "not measured: the protocol does not say who its people are"
        record["notes"] |= dict.fromkeys(("geometry", "all pairs", "identification"), unknown)
    return record, scores


def _add_all_pairs(record: Record, templates: Floats, test: ProtocolLists, measures: Measures) -> None:
    if not measures.all_pairs_far:
        return
    asked: Record = {"fars": measures.all_pairs_far, "device": measures.device}
    found = all_pairs(templates, test.identity, **asked)
    record["metrics"] |= found.metrics()
    record["facts"] |= found.facts()
    record["notes"] |= {
        f"all_pairs_tar_at_far_{point.far}": f"not measurable: {found.genuine:,} genuine, {found.impostor:,} impostors"
        if point.tar is None
        else f"at most {point.allowed:,} of {found.impostor:,} impostors pass"
        for point in found.tar_at_far
    }
    if measures.bootstrap:
        drawn: Record = {"replicates": measures.bootstrap, "seed": measures.seed, "level": measures.level}
        record["intervals"] |= _plain(all_pairs_intervals(templates, test.identity, **asked, **drawn))


def _add_identification(record: Record, templates: Floats, test: ProtocolLists, measures: Measures) -> None:
    if not (measures.ranks or measures.fpir):
        return
    asked: Record = {"ranks": measures.ranks, "fpirs": measures.fpir}
    searched = search_within(templates, test.identity, device=measures.device)
    found = identify(searched, **asked)
    record["metrics"] |= found.metrics()
    record["facts"] |= found.facts()
    unmeasured = f"not measurable: {found.mated:,} probes with a mate, {found.unmated:,} without"
    record["notes"] |= {name: unmeasured for name, value in found.metrics().items() if value is None}
    record["notes"]["identification"] = (
        f"{found.gallery:,} in the gallery; {found.mated:,} probes with a mate there, {found.unmated:,} without"
    )
    if measures.bootstrap:
        drawn: Record = {"replicates": measures.bootstrap, "seed": measures.seed, "level": measures.level}
        record["intervals"] |= _plain(identification_intervals(searched, **asked, **drawn))


def _add_geometry(record: Record, templates: Floats, test: ProtocolLists, measures: Measures) -> None:
    geometry = measure(templates, test.identity)
    record["metrics"] |= geometry.metrics()
    record["angles"] = geometry.angles()
    record["facts"] |= geometry.facts()
    record["notes"] |= _geometry_notes(geometry)
    if measures.bootstrap:
        record["intervals"] |= _plain(
            geometry_intervals(geometry, replicates=measures.bootstrap, seed=measures.seed, level=measures.level)
        )


def measure_scores(
    scores: npt.ArrayLike,
    test: ProtocolLists,
    measures: Measures,
    *,
    direction: Direction = "similarity",
    kept: Replicates | None = None,
) -> Record:
    """Record of scores (P,) in the order of the protocol's pairs.

    ``metrics``: name → number, None where it cannot be measured; ``notes``: metric or group of them → what to know of
    it. ``intervals``: measured metric → ``low``, ``high`` and ``undefined`` replicates; empty without a bootstrap.
    ``thresholds`` and ``accuracy_per_fold``: (F,), None without folds. ``facts``: counts. ``kept``
    gets the replicates (R,) that the intervals are made of, by metric. Raises DataError for scores that are not finite,
    or not (P,).
    """
    values = np.asarray(scores)
    if values.shape != test.same.shape:
        raise DataError(f"the protocol has {len(test.same):,} pairs, found scores of shape {values.shape}")
    found = verify(values, test.same, test.fold, fars=measures.far, direction=direction)
    genuine, folds = int(test.same.sum()), found.accuracy
    notes = _notes(found, len(values) - genuine)
    intervals: Record = {}
    if measures.bootstrap:
        people, estimates = test.identity[test.pairs], found.metrics()
        replicates = bootstrap_replicates(
            values, test.same, people, test.fold, fars=measures.far, direction=direction,
            replicates=measures.bootstrap, seed=measures.seed,
        )  # fmt: skip
        intervals = _plain(
            {
                name: percentile_interval(estimates[name], drawn, measures.level, measures.seed)
                for name, drawn in replicates.items()
            }
        )
        if kept is not None:
            kept.update(replicates)
        if not test.named:
            notes["intervals"] = (
                "the protocol does not say who its people are, so one person may be drawn as several: "
                "the intervals may be too narrow"
            )
    return {
        "metrics": found.metrics(),
        "intervals": intervals,
        "thresholds": [None if np.isinf(t) else float(t) for t in folds.thresholds] if folds else None,
        "accuracy_per_fold": folds.per_fold.tolist() if folds else None,
        "notes": notes,
        "measures": measures.told(),
        "facts": {
            "pairs": len(values),
            "genuine": genuine,
            "impostor": len(values) - genuine,
            "folds": len(folds.per_fold) if folds else None,
            "lists": test.digest(),
        },
    }


def _plain(intervals: Mapping[str, Interval]) -> Record:
    """As they stand in a record: of what was measured only."""
    return {
        name: {"low": i.low, "high": i.high, "undefined": i.undefined}
        for name, i in intervals.items()
        if i.estimate is not None
    }


def _geometry_notes(geometry: Geometry) -> dict[str, str]:
    if not geometry.identities:
        return {"geometry": f"not measurable: needs two people with {QUADRUPLE} templates each"}
    notes = {"geometry": f"of {geometry.identities:,} people with {geometry.images} templates each"}
    if geometry.top_axis_share_per_identity is None:
        notes["top_axis_share_per_identity"] = f"needs {PER_IDENTITY} templates a person"
    return notes


def _notes(found: Verification, impostors: int) -> dict[str, str]:
    notes = {}
    for point in found.tar_at_far:
        if point.tar is None:
            text = f"not measurable: {impostors:,} impostors"
        else:
            text = f"at most {point.allowed:,} of {impostors:,} impostors pass"
        notes[f"tar_at_far_{point.far}"] = text
    if found.accuracy is None:
        notes["accuracy"] = "not measured: the protocol has no folds"
    if found.d_prime is None:
        notes["d_prime"] = "not measurable: constant scores"
    return notes
