"""`bench track`: the mirror in MLflow."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli.console import out
from bench.cli.options import Results


def track(
    suite: Annotated[str, typer.Argument(help="name of a suite that has run")],
    results: Results = Path("results"),
    uri: Annotated[str | None, typer.Option(help="MLflow tracking URI; none: results/mlflow.db")] = None,
) -> None:
    """Mirror a suite to MLflow again; what is there already is not added twice."""
    from bench.scheduling.selection import suite_name
    from bench.store import Store
    from bench.tracking import track_suite

    done = track_suite(Store(results), suite_name(suite), uri=uri)
    out.print(f"MLflow: {done.new} new, {done.updated} updated, {done.skipped} unchanged")
