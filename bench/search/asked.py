"""What samplers and pruners are told beside their own options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bench.suite.search_block import Searched


@dataclass(frozen=True)
class Asked:
    """``seed``: the suite's, the same in each call; ``draw``: a seed of this call, so that a search that goes on does
    not propose what it proposed before; ``fields``: what is searched."""

    seed: int
    draw: int
    fields: Mapping[str, Searched]


@dataclass(frozen=True)
class Trained:
    """``epochs`` of a trial, of which it may not be pruned in the first ``warmup``."""

    epochs: int
    warmup: int
