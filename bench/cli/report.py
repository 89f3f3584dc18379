"""`bench report`: tables, figures and pages from what is stored."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.console import err, out
from bench.cli.options import Results
from bench.cli.outcome import write_reports
from bench.errors import BenchError

if TYPE_CHECKING:
    from bench.report.watch import Update


def report(
    suites: Annotated[list[str] | None, typer.Argument(help="suite names; none: all, and an index page")] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="write again as results come in, until all runs ended or Ctrl-C")
    ] = False,
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
    if watch:
        from bench.report.watch import watch as follow

        try:
            follow(store, names, _told)
        except KeyboardInterrupt:
            err.print("stopped; the reports are as the results were")
            raise typer.Exit(130) from None
    else:
        write_reports(store, names, toy=toy)
    if not suites:
        from bench.report.write import write_index

        out.print(f"index: {write_index(store)}")


def _told(update: Update) -> None:
    """A line for each report written; the table of a suite that has ended."""
    counts = update.counts
    lost = [f"{counts[state]} {state}" for state in ("failed", "cancelled", "missing") if counts[state]]
    standing = ", ".join([f"{counts['done']} of {counts['planned']} runs done", *lost])
    if update.ended:
        out.print(update.paths.text, markup=False)
    out.print(f"{update.suite}: {standing}; report: {update.paths.page}", markup=False)
