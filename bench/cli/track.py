"""`bench track`: the mirror in MLflow."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli.console import err, out
from bench.cli.options import Results


def track(
    suites: Annotated[list[str] | None, typer.Argument(help="suite names; none: all that are not mirrored yet")] = None,
    results: Results = Path("results"),
    uri: Annotated[
        str | None,
        typer.Option(help="MLflow tracking URI; none: $BENCH_TRACKING_URI, $MLFLOW_TRACKING_URI, results/mlflow.db"),
    ] = None,
    models: Annotated[bool, typer.Option("--models", help="log the weights of trained runs too, as models")] = False,
) -> None:
    """Mirror suites to MLflow; what is there already is not added twice."""
    from bench.scheduling.selection import suite_name
    from bench.store import Store
    from bench.tracking import TrackingError, lagging, track_suite, uri_from_environment

    store, uri = Store(results), uri or uri_from_environment()
    known = store.suite_names()
    names = [suite_name(suite) for suite in suites or []] or (known if models else lagging(store, known, uri))
    if not suites:
        out.print(f"MLflow: {len(names)} of {len(known)} suites wait to be mirrored", markup=False)
    for at, name in enumerate(names):
        try:
            done = track_suite(store, name, uri=uri, models=models)
        except TrackingError:
            if waiting := names[at:]:
                err.print(f"not mirrored: {', '.join(waiting)}; `bench track` goes on from there", markup=False)
            raise
        left = f", {done.pending} not ended yet" if done.pending else ""
        out.print(
            f"MLflow: {name}: {done.new} new, {done.updated} updated, {done.skipped} unchanged{left}", markup=False
        )
