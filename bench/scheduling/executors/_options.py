"""Options that several executors have."""

from __future__ import annotations

from bench.catalog import Option

share = Option("share", 1.0, "share of a GPU that a run occupies", above=0, maximum=1)
