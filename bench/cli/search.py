"""`bench search`: what a suite's fields should be, chosen on validation identities."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli.console import err, out, print_lines, say
from bench.cli.options import Overrides, Results, SuiteFile, Track
from bench.cli.outcome import command_line, finish, write_reports


def search(
    suite: SuiteFile,
    trials: Annotated[int | None, typer.Option(min=1, help="trials in total; asking for more goes on")] = None,
    fair: Annotated[
        bool, typer.Option("--fair", help="search every value of the grid, each with the same trials and epochs")
    ] = False,
    storage: Annotated[
        str | None, typer.Option(metavar="URL", help="a database for the trials, in place of the suite's")
    ] = None,
    overrides: Overrides = None,
    results: Results = Path("results"),
    track: Track = True,
) -> None:
    """Search fields of a suite on validation identities, then retrain the best beside strength 0."""
    from bench.cli.live import Live
    from bench.scheduling.suite_run import run_plan
    from bench.search.driver import search as search_all
    from bench.search.final import final_plan, trials_plan
    from bench.search.record import rows, search_record
    from bench.search.subject import block_of, subjects
    from bench.store import Store
    from bench.suite.suite import load_suite

    loaded = load_suite(suite, overrides or [])
    asked = trials or block_of(loaded).trials
    subjects(loaded, fair=fair)  # raises for a suite that cannot be searched, before anything is written
    store = Store(results)
    store.check_writable()
    if fair:
        err.print("fair: every trial is trained to its end, nothing is pruned", markup=False)
    with Live(err) as live:
        found = search_all(
            loaded, store, trials=asked, fair=fair, storage=storage, tell=live.preparing, on_event=live.event
        )
        tried = trials_plan(loaded, found)
        store.write_plan(tried.suite.name, tried.record(command_line()))
        final, cells = final_plan(loaded, found, fair=fair, tell=live.preparing)
        failed = run_plan(final, store, command=command_line(), on_event=live.event, begin=live.begin)
    record = search_record(loaded, store, found, final, cells, trials=asked, fair=fair, command=command_line())
    store.write_search(loaded.name, record)
    say("trials, scored on validation identities")
    print_lines(rows(record))
    say()
    write_reports(store, [loaded.name])
    out.print(f"{record['text']}\nsearch: {store.suite_folder(loaded.name) / 'search.json'}", markup=False)
    finish(store, [tried.suite.name, loaded.name], track, failed)
