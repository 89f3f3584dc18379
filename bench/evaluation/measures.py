"""What is measured on a protocol."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Measures:
    """Rates are exact decimals. ``far``: of TAR@FAR on the protocol's pairs; ``all_pairs_far``: on all pairs of its
    templates; ``ranks`` and ``fpir``: of closed- and open-set identification; none of them where empty.

    ``bootstrap``: replicates over people, drawn by ``seed``; 0: no intervals. ``level``: their coverage.
    """

    far: tuple[str, ...] = ("1e-2", "1e-3")
    all_pairs_far: tuple[str, ...] = ()
    ranks: tuple[int, ...] = ()
    fpir: tuple[str, ...] = ()
    bootstrap: int = 0
    seed: int = 0
    level: float = 0.95

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Measures:
        """Those of a suite's evaluation block."""
        return cls(
            far=tuple(options["far"]),
            all_pairs_far=tuple(options["all_pairs_far"]),
            ranks=tuple(options["ranks"]),
            fpir=tuple(options["fpir"]),
            bootstrap=options["bootstrap"],
        )

    def drawn(self) -> dict[str, Any]:
        """How replicates are drawn, as every function that draws some is told."""
        return {"replicates": self.bootstrap, "seed": self.seed, "level": self.level}
