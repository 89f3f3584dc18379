"""An evaluation as it goes into an export: its record, and of its arrays those that are asked for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from bench.records import digest, without
from bench.store import Store

EMBEDDINGS, SCORES = "embeddings", ("scores", "same", "fold")


def slim_evaluation(store: Store, run: str, key: str, *, scores: bool, embeddings: bool) -> tuple[bytes, bytes]:
    """The record and the arrays of an evaluation as files. Where arrays are left out, the record says which, and keeps
    the hash of the whole; where none is, both are those of the store.

    Raises StoreError where the arrays are broken.
    """
    from safetensors.numpy import save

    record = dict(store.evaluation(run, key) or {})
    if "arrays" not in record:  # of a version that did not count them: what there is of them is not handed on
        return record_file(record), b""
    arrays = store.evaluation_arrays(run, key)
    out = {*(() if embeddings else (EMBEDDINGS,)), *(() if scores else SCORES)}
    kept = {name: array for name, array in arrays.items() if name not in out}
    if kept.keys() == arrays.keys():
        content = store.files(run)[f"evaluations/{key}.safetensors"].read_bytes()
        return record_file(record), content
    content = save({name: np.ascontiguousarray(kept[name]) for name in sorted(kept)})
    said = {
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "each": {name: one for name, one in record["arrays"].get("each", {}).items() if name in kept},
        "left_out": sorted({*arrays} - {*kept}),
    }
    whole = record["arrays"].get("whole", record["arrays"]["sha256"])
    return record_file({**record, "arrays": {**said, "whole": whole}}), content


def record_file(body: Mapping[str, Any]) -> bytes:
    """A checksummed record as the store writes it."""
    value = {**body, "checksum": digest(body)}
    return (json.dumps(value, sort_keys=True, indent=1, allow_nan=False) + "\n").encode()


def same_evaluation(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two records are of one evaluation: equal, but for which of its arrays are kept."""
    return without("arrays", one) == without("arrays", other) and _whole(one) == _whole(other)


def _whole(record: Mapping[str, Any]) -> str | None:
    arrays = record.get("arrays", {})
    found: str | None = arrays.get("whole", arrays.get("sha256"))
    return found
