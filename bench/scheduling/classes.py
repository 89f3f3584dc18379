"""What tells two execution classes apart: within one, equal configurations train to equal bits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def differences(recorded: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    """In one line, by which keys a recorded class differs from the one here; "" if it does not."""
    keys = [key for key in {**recorded, **here} if recorded.get(key) != here.get(key)]
    return ", ".join(f"{key} {recorded.get(key)} → {here.get(key)}" for key in keys)
