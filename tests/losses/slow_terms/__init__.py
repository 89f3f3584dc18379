"""A slow twin of every term: one module each, named like the term, with a class ``Slow``."""

from __future__ import annotations

import importlib


def slow_term(name):
    return importlib.import_module(f"slow_terms.{name}").Slow
