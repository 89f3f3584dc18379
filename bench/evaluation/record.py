"""From embeddings, or scores alone, to the record of one protocol: the same numbers for a suite and for any model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from bench.data.protocols import PackedProtocol, template_identity
from bench.data.types import Bool, Int, Protocol
from bench.errors import DataError
from bench.evaluation.bootstrap import Interval, bootstrap_intervals
from bench.evaluation.measures import Measures
from bench.evaluation.pairs import Direction
from bench.evaluation.templates import Floats, pair_scores, pool, unit_rows
from bench.evaluation.verification import Verification, verify
from bench.evaluation.whole_set import limit_text, measure_whole_set

if TYPE_CHECKING:
    import torch

Record = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Comparison:
    """A protocol without its pixels; see ``Protocol`` for ``template``, ``pairs``, ``same``, ``fold`` and ``media``.

    ``images``: N names; ``template_names``: T. ``identity``: (T,) int64, whose face a template shows; where ``named``
    is False it is made up from the genuine pairs, so that one person may have several.
    """

    images: Sequence[str]
    template: Int
    template_names: Sequence[str]
    pairs: Int
    same: Bool
    fold: Int | None
    identity: Int
    media: Int | None = None
    named: bool = True

    def digest(self) -> str:
        """sha256, in hex, over names, templates, media, pairs, labels and folds; not over any image."""
        total = hashlib.sha256(json.dumps(["comparison", 1, self.images, self.template_names, self.named]).encode())
        for key in ("template", "media", "pairs", "same", "fold"):
            array = getattr(self, key)
            if array is not None:
                total.update(json.dumps([key, array.shape]).encode())
                total.update(np.ascontiguousarray(array).tobytes())
        return total.hexdigest()


def comparison(protocol: Protocol | PackedProtocol) -> Comparison:
    """What a protocol compares. Raises DataError where it contradicts itself."""
    if isinstance(protocol, PackedProtocol):
        identity, named = protocol.template_identity, protocol.named
    else:
        identity, named = template_identity(protocol), protocol.images.named
    return Comparison(
        images=protocol.images.files,
        template=protocol.template,
        template_names=protocol.template_names,
        pairs=protocol.pairs,
        same=protocol.same,
        fold=protocol.fold,
        identity=identity,
        media=protocol.media,
        named=named,
    )


def measure_images(
    raw: npt.ArrayLike, test: Comparison, measures: Measures, *, device: str | torch.device = "cpu"
) -> tuple[Record, Floats, Floats]:
    """Record, scores (P,) and templates (T, d) of raw image embeddings (N, d) in the order of ``test.images``.

    Raises DataError naming the images whose embedding is zero or not finite, and as `measure_protocol` does.
    """
    unit = unit_rows(raw, test.images)
    templates = pool(unit, test.template, len(test.template_names), test.media)
    record, scores = measure_protocol(templates, test, measures, device=device)
    record["facts"]["images"] = len(test.images)
    return record, scores, templates


def measure_protocol(
    templates: Floats, test: Comparison, measures: Measures, *, device: str | torch.device = "cpu"
) -> tuple[Record, Floats]:
    """Record and scores (P,) float32 of unit template embeddings (T, d): `measure_scores`, and the whole set's parts.

    Those need to know who the people are. ``device``, on which products of all pairs are made, changes no bit.
    """
    scores = pair_scores(templates, test.pairs)
    record = measure_scores(scores, test, measures)
    record["facts"] |= {"templates": len(templates), "dimension": templates.shape[1]}
    if not test.named:
        record["notes"]["whole set"] = "geometry, all pairs, identification: not measured, the protocol names nobody"
        return record, scores
    for part in measure_whole_set(templates, test.identity, measures, device=device):
        record["metrics"] |= part.metrics
        record["facts"] |= part.facts
        record["notes"] |= part.notes
        record["intervals"] |= _plain(part.intervals)
        if part.angles is not None:
            record["angles"] = part.angles
    return record, scores


def measure_scores(
    scores: npt.ArrayLike, test: Comparison, measures: Measures, *, direction: Direction = "similarity"
) -> Record:
    """Record of scores (P,) in the order of the protocol's pairs.

    ``metrics``: name → number, None where it cannot be measured; ``notes``: metric or group of them → what to know of
    it. ``intervals``: measured metric → ``low``, ``high`` and ``undefined`` replicates; empty without a bootstrap.
    ``thresholds`` and ``accuracy_per_fold``: (F,), None without folds. ``facts``: counts. Raises DataError for scores
    that are not finite, or not (P,).
    """
    values = np.asarray(scores)
    if values.shape != test.same.shape:
        raise DataError(f"the protocol has {len(test.same):,} pairs, found scores of shape {values.shape}")
    found = verify(values, test.same, test.fold, fars=measures.far, direction=direction)
    genuine, folds = int(test.same.sum()), found.accuracy
    notes = _notes(found, len(values) - genuine)
    intervals: Record = {}
    if measures.bootstrap:
        people = test.identity[test.pairs]
        intervals = _plain(
            bootstrap_intervals(
                values, test.same, people, test.fold, fars=measures.far, direction=direction,
                **measures.drawn(),
            )
        )  # fmt: skip
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
        "measures": asdict(measures),
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


def _notes(found: Verification, impostors: int) -> dict[str, str]:
    notes = {}
    for point in found.tar_at_far:
        notes[f"tar_at_far_{point.far}"] = limit_text(point, impostors, "impostors")
    if found.accuracy is None:
        notes["accuracy"] = "not measured: the protocol has no folds"
    if found.d_prime is None:
        notes["d_prime"] = "not measurable: constant scores"
    return notes
