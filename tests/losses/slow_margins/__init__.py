"""A slow twin of every margin: one module each, named like the margin, with a class ``Slow``."""

from __future__ import annotations

import importlib


def slow_margin(name):
    return importlib.import_module(f"slow_margins.{name}").Slow
