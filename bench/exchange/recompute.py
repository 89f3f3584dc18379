"""The metrics of an export from its scores, computed again: what is recorded must be what the scores give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.errors import DataError
from bench.exchange.archive import Archive, ExchangeError
from bench.exchange.sound import Contents


@dataclass(frozen=True)
class Recomputed:
    """``values``: metrics that were computed again; ``rest``: those that rest on embeddings or all pairs, which are
    taken as recorded; ``without``: evaluations whose scores are not there; ``differing``: in words."""

    evaluations: int
    values: int
    rest: int
    without: int
    differing: tuple[str, ...]


def recompute(archive: Archive, contents: Contents) -> Recomputed:
    """Every metric of `verify` for every evaluation whose scores are there; equal to the bit, or it differs."""
    evaluations = values = rest = lacking = 0
    differing: list[str] = []
    for run, of_run in contents.evaluations.items():
        for key, record in of_run.items():
            found = _again(archive, f"runs/{run}/evaluations/{key}.safetensors", record)
            if found is None:
                lacking += record.get("protocol") != "train"
                continue
            evaluations += 1
            recorded = record["metrics"]
            rest += len(recorded.keys() - found.keys())
            for name in sorted(recorded.keys() & found.keys()):
                values += 1
                if recorded[name] != found[name]:
                    where = f"run {run}, {record.get('protocol')}, {name}"
                    differing.append(f"{where}: recorded {recorded[name]}, from the scores {found[name]}")
    return Recomputed(evaluations, values, rest, lacking, tuple(differing))


def _again(archive: Archive, file: str, record: Mapping[str, Any]) -> dict[str, float | None] | None:
    """The metrics of the scores; None where there are no scores."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    from bench.evaluation.verification import verify

    if file not in archive.members:
        return None
    try:
        arrays = load(archive.read(file))
        if "scores" not in arrays or not len(arrays["scores"]):
            return None
        fars = record.get("measures", {}).get("far") or record.get("options", {}).get("far", ())
        return verify(arrays["scores"], arrays["same"].astype(bool), arrays.get("fold"), fars=fars).metrics()
    except (SafetensorError, DataError, ValueError, KeyError, TypeError) as error:
        raise ExchangeError(f"{archive.path}: {file}: nothing can be computed from it ({error})") from None
