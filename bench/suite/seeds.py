"""Seeds by named axes: what two runs share is said by name, so that rows of a table can be compared paired."""

from __future__ import annotations

import hashlib
import json


def seed_for(use: str, **axes: int | str) -> int:
    """A seed in [0, 2⁶³) from the purpose and the axes it depends on; nothing else changes it."""
    text = json.dumps([use, sorted(axes.items())])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
