"""Evaluating what others computed: embeddings or scores of a protocol, without decoding an image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from bench.data.types import Protocol
from bench.errors import DataError
from bench.evaluation.lists import lists_of
from bench.evaluation.matching import in_order, match
from bench.evaluation.pairs import Direction
from bench.evaluation.record import Measures, Record, measure_images, measure_protocol, measure_scores
from bench.evaluation.templates import Floats, unit_rows

Per = Literal["image", "template"]


def evaluate_embeddings(
    protocol: Protocol, names: Sequence[str] | None, embeddings: npt.ArrayLike, *,
    per: Per = "image", measures: Measures | None = None,
) -> tuple[Record, Floats]:  # fmt: skip
    """Record (see `measure_scores`) and scores (P,) of embeddings (N, d) of any length; they are read as float32.

    ``names``: N, as the protocol spells them: an image's path below its folder, or with ``per="template"`` a template's
    name; in any order, others among them are counted as ``extra``. None: the embeddings stand in the protocol's own
    order (``protocol.images.files`` or ``protocol.template_names``). Images are pooled into templates as
    `bench.evaluation.templates.pool` does. Raises DataError for names that are missing or come twice, and for
    embeddings that are zero or not finite.
    """
    test, measures, rows = lists_of(protocol), measures or Measures(), np.asarray(embeddings)
    if rows.ndim != 2 or rows.dtype.kind not in "fiu":
        raise DataError(f"embeddings must be (N, d) real numbers, found {rows.shape} {rows.dtype}")
    wanted = test.images if per == "image" else test.template_names
    extra = 0
    if names is None:
        chosen = in_order(len(rows), wanted, per)
    else:
        chosen, extra = match(names, wanted, per)
    if per == "image":
        record, scores, _ = measure_images(rows[chosen], test, measures)
    else:
        record, scores = measure_protocol(unit_rows(rows[chosen], wanted), test, measures)
    record["facts"]["extra"] = extra
    return record, scores


def evaluate_scores(
    protocol: Protocol, scores: npt.ArrayLike, *, direction: Direction, measures: Measures | None = None
) -> Record:
    """Record (see `measure_scores`) of scores (P,) in the order of the protocol's pairs.

    ``direction``: "similarity", or "distance" where higher means less alike.
    """
    return measure_scores(scores, lists_of(protocol), measures or Measures(), direction=direction)
