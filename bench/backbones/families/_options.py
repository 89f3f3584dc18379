"""Options that backbones share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.catalog import Option

EMBEDDING = Option("embedding", 512, "width of the embedding", unit="dimensions", minimum=2, source="arXiv:1801.07698")
DROPOUT = Option("dropout", 0.0, "share of the features that the neck drops in training", minimum=0, below=1)

SET_BY_HARNESS = {
    "pretrained": "training starts from weights drawn from the run's seed",
    "pretrained_cfg": "training starts from weights drawn from the run's seed",
    "pretrained_cfg_overlay": "training starts from weights drawn from the run's seed",
    "checkpoint_path": "training starts from weights drawn from the run's seed",
    "cache_dir": "nothing is downloaded",
    "num_classes": "say `embedding` beside the name instead",
    "in_chans": "images have three channels",
    "features_only": "a backbone gives one embedding an image",
}


@dataclass(frozen=True)
class KeywordOptions(Option):
    """A mapping that is handed on to a library, which alone knows the keys; none and an empty one are the same."""

    kind: type | None = dict

    @property
    def allowed(self) -> str:
        return "a mapping of names to values"

    def check(self, value: Any) -> Any:
        """A plain dict, or None for an empty one. Raises ValueError saying what was found and what is allowed."""
        if not value and isinstance(value, Mapping | None):
            return None
        if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
            raise ValueError(f"must be {self.allowed}, found {value!r}")
        refused = [f"{key!r} cannot be set ({SET_BY_HARNESS[key]})" for key in value if key in SET_BY_HARNESS]
        if refused:
            raise ValueError("; ".join(refused))
        return dict(value)
