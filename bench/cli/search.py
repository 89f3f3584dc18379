"""`bench search`: what a suite's fields should be, chosen on validation identities."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli.console import err, out, print_rows
from bench.cli.options import Overrides, Results, SuiteFile, Track
from bench.cli.outcome import command_line, finish, write_reports


def search(
    suite: SuiteFile,
    trials: Annotated[int | None, typer.Option(min=1, help="trials in total; asking for more goes on")] = None,
    overrides: Overrides = None,
    results: Results = Path("results"),
    track: Track = True,
) -> None:
    """Search the enhancement strength on validation identities, then retrain the best beside strength 0."""
    from bench.cli.live import Live
    from bench.scheduling.suite_run import run_plan
    from bench.search import strength
    from bench.store import Store
    from bench.suite.suite import load_suite

    loaded = load_suite(suite, overrides or [])
    _, block = strength.checked(loaded)
    store = Store(results)
    store.check_writable()
    with Live(err) as live:
        found = strength.search(loaded, store, trials=trials, tell=live.preparing, on_event=live.event)
        final = strength.final_plan(loaded, found, tell=live.preparing)
        failed = run_plan(final, store, command=command_line(), on_event=live.event, begin=live.begin)
    interval = strength.baseline_interval(loaded, store, found)
    path, text = strength.write_found(loaded, store, found, interval)
    figure = path.with_name("strength_against_validation.png")
    strength.draw_found(found, interval, block, figure)
    trials_of = strength.trials_plan(loaded, found)
    store.write_plan(trials_of.suite.name, trials_of.record(command_line()))
    print_rows(strength.values(found), False, title="trials, scored on validation identities")
    write_reports(store, [loaded.name])
    out.print(f"{text}\nsearch: {path}, {figure}", markup=False)
    finish(store, [trials_of.suite.name, loaded.name], track, failed)
