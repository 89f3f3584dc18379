"""`bench report`: tables, figures and pages from what is stored."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli.console import out
from bench.cli.options import Results
from bench.cli.outcome import write_reports
from bench.errors import BenchError


def report(
    suites: Annotated[list[str] | None, typer.Argument(help="suite names; none: all, and an index page")] = None,
    results: Results = Path("results"),
    toy: Annotated[bool, typer.Option("--toy", help="train the toy networks of 2 and 3 dimensions first")] = False,
) -> None:
    """Write tables, figures and the page, and print the table."""
    from bench.scheduling.selection import suite_name
    from bench.store import Store

    store = Store(results)
    names = [suite_name(name) for name in suites or []] or store.suite_names()
    if not names:
        raise BenchError(f"{results}: no suite has run here; see `bench run SUITE`")
    write_reports(store, names, toy=toy)
    if not suites:
        from bench.report.write import write_index

        out.print(f"index: {write_index(store)}")
