"""A reproducible benchmark and ablation harness for margin-based face-recognition losses."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

__version__ = "0.1.0"


def load_results(results: str | Path = "results", suites: Sequence[str] | str | None = None) -> pd.DataFrame:
    """A row a planned run of these suites (None: of all) below a results folder, failed and missing ones included.

    Columns: suite, run, seed, status, error, cell, baseline, each axis by its dotted name, what is trained, and
    ``<protocol>.<metric>``: shares as shares, NaN where it was not measured. Raises StoreError for an unknown suite,
    and where there is none.
    """
    store = import_module("bench.store").Store(Path(results))  # only now, for it takes pandas; nothing here imports it
    names = store.suite_names() if suites is None else [suites] if isinstance(suites, str) else list(suites)
    if not names:
        raise import_module("bench.errors").StoreError(f"{results}: no suite has run here")
    found: pd.DataFrame = import_module("bench.report.results").load_results(store, names)
    return found
