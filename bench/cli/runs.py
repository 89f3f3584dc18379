"""The commands round a suite that runs: how it stands, stopping and retrying its runs, what they left."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from bench.cli.console import err, out, print_columns, print_json, print_lines, say, shown
from bench.cli.options import AsJson, Asked, Inline, OneRun, Results, Track
from bench.cli.outcome import finish, write_reports
from bench.errors import BenchError

if TYPE_CHECKING:
    from bench.scheduling.clean import Findings
    from bench.scheduling.standing import Standing
    from bench.store import Store

FAILURES = 10
"""How many failed runs a table is followed by; `--json` has all."""


def add_commands(app: typer.Typer) -> None:
    for command in (status, retry, cancel, logs, clean):
        app.command()(command)
    app.command("verify-run")(verify_run)


def status(
    suites: Annotated[
        list[str] | None, typer.Argument(metavar="SUITE|RUN…", help="show the runs of these; none: a row a suite")
    ] = None,
    runs: Annotated[bool, typer.Option("--runs", help="a row a run, of all suites")] = False,
    results: Results = Path("results"),
    as_json: AsJson = False,
) -> None:
    """Show how suites stand: runs done, running, waiting, failed; or how each run does, and why it failed."""
    from bench.cli.told import standing_row
    from bench.scheduling.selection import asked, asked_by, selected
    from bench.scheduling.standing import count_states, standing
    from bench.store import Store

    store = Store(results)
    if not suites and not runs:
        rows: list[dict[str, Any]] = []
        for name in store.suite_names():
            of_suite = asked_by(store, name)
            rows.append({"suite": name, "runs": len(of_suite), **count_states(store, of_suite)})
        store.save_index()
        if as_json:
            print_json(rows)
        else:
            print_lines([{key: str(value) for key, value in row.items()} for row in _without_noughts(rows)])
        return
    found = [standing(store, run) for run in (selected(store, suites) if suites else asked(store))]
    if as_json:
        print_json([asdict(run) for run in found])
        return
    now = time.time()
    several = len({run.suite for run in found}) > 1
    table = [({"suite": run.suite} if several else {}) | standing_row(run, now) for run in found]
    print_lines(_without_blanks(table))
    _notes(found)


def _notes(found: list[Standing]) -> None:
    noted = [run for run in found if run.note]
    for run in noted[:FAILURES]:
        reason = f" ({run.reason})" if run.reason else ""
        say(f"{run.run[:8]} {run.name}: {run.state}{reason}: {run.note}")
        for line in run.log:
            out.print(Text(f"    {shown(line)}"), soft_wrap=False, overflow="ellipsis", no_wrap=True)
    if len(noted) > FAILURES:
        say(f"and {len(noted) - FAILURES} more like these; see `--json`, or `bench logs RUN`")


def _without_noughts(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows without the states that no suite has; the usual four stay."""
    usual = ("suite", "runs", "done", "running", "waiting", "failed")
    kept = [key for key in (rows[0] if rows else ()) if key in usual or any(row[key] for row in rows)]
    return [{key: row[key] for key in kept} for row in rows]


def _without_blanks(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    kept = [key for key in (rows[0] if rows else ()) if any(row[key] for row in rows)]
    return [{key: row[key] for key in kept} for row in rows]


def retry(
    what: Asked,
    results: Results = Path("results"),
    inline: Inline = False,
    track: Track = True,
) -> None:
    """Do failed and cancelled runs again, at once and without the suite's file; then print the tables."""
    from bench.cli.live import Live
    from bench.data.cache import cache_root
    from bench.scheduling.control import check_packed, put_back, to_retry
    from bench.scheduling.execute import InProcess
    from bench.scheduling.selection import planned, selected
    from bench.scheduling.suite_run import do_runs, names_of
    from bench.store import Store
    from bench.suite.schema import ExecutorBlock

    store = Store(results)
    store.check_writable()
    again = to_retry(store, selected(store, what))
    if not again:
        say("none of these runs failed or is cancelled: there is nothing to do again")
        return
    jobs = dict(planned(again, store))
    for suite, runs in jobs.items():
        check_packed(runs, cache_root(), f"`bench run {store.plan(suite)['file']}` packs it")
    put_back(store, again)
    failed: dict[str, str] = {}
    with Live(err) as live:
        for suite, runs in jobs.items():
            block = ExecutorBlock.model_validate(store.plan(suite)["executor"])
            executor = InProcess(block.device) if inline else None
            live.begin(names_of(runs), 0)
            failed |= do_runs(runs, store, block, executor=executor, on_event=live.event)
    write_reports(store, jobs)
    finish(store, jobs, track, failed)


def cancel(
    what: Asked,
    shared: Annotated[bool, typer.Option("--shared", help="also runs that another suite asks for")] = False,
    results: Results = Path("results"),
) -> None:
    """Stop runs at a checkpoint, wherever they run, and leave them out until `bench retry`."""
    from bench.scheduling.control import cancel as mark
    from bench.scheduling.selection import selected
    from bench.store import Store

    store = Store(results)
    done = mark(store, selected(store, what), shared=shared)
    told = [
        (len(done.running), "running: each stops at a checkpoint within seconds"),
        (len(done.waiting), "not running: nobody will begin them"),
        (len(done.done), "done before, and left as they are"),
        (len(done.shared), "left alone, for other suites ask for them too; --shared cancels them"),
    ]
    print_columns([(str(count), text) for count, text in told if count], right=[0])
    for run, suites in done.shared.items():
        say(f"{run[:8]} is also of {', '.join(suites)}")
    if done.running or done.waiting:
        say(f"to undo: bench retry {' '.join(what)}")


def logs(
    run: OneRun,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="go on until the run ends, or Ctrl-C")] = False,
    results: Results = Path("results"),
) -> None:
    """Print what a run told and logged, in readable lines; with -f also what it tells from now on."""
    from bench.cli.told import event_line
    from bench.scheduling.follow import pause, told
    from bench.store import Store

    store = Store(results)
    key = _one(store, run)
    try:
        for item in told(store, key, pause if follow else None):
            sys.stdout.write(shown(event_line(item) if isinstance(item, dict) else f"    {item}") + "\n")
            sys.stdout.flush()
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def clean(
    yes: Annotated[bool, typer.Option("--yes", help="remove without asking")] = False,
    unplanned: Annotated[bool, typer.Option("--unplanned", help="also runs that no suite asks for")] = False,
    superseded: Annotated[
        bool, typer.Option("--superseded", help="also what `run --same-class` trained anew and kept aside")
    ] = False,
    cache: Annotated[bool, typer.Option("--cache", help="also packed data that no suite here uses")] = False,
    results: Results = Path("results"),
    as_json: AsJson = False,
) -> None:
    """Show what a results folder holds that is of no use, and remove it with --yes or when told to."""
    from bench.cli.told import size
    from bench.data.cache import cache_root
    from bench.scheduling.clean import find, remove
    from bench.store import Store

    store = Store(results)
    found = find(store, unplanned=unplanned, superseded=superseded, cache=cache_root() if cache else None)
    if as_json:
        left = remove(store, found.removable) if yes else {item.path: "" for item in found.removable}
        print_json([
            {**asdict(item), "path": str(item.path), "removed": item.path not in left} for item in found.removable
        ])  # fmt: skip
        return
    _show(store, found)
    if not found.removable:
        return
    total = size(sum(item.bytes for item in found.removable))
    if cache:
        say("other results folders may use what this one does not; what they miss is packed again")
    if not yes and not (sys.stdin.isatty() and typer.confirm(f"remove these, {total}?", err=True)):
        say(f"{total} could be freed; nothing was removed (--yes removes)")
        return
    left = remove(store, found.removable)
    for path, reason in left.items():
        say(f"left: {path}: {reason}")
    freed = sum(item.bytes for item in found.removable if item.path not in left)
    say(f"{len(found.removable) - len(left)} removed, {size(freed)} freed")


def _show(store: Store, found: Findings) -> None:
    from bench.cli.told import size

    rows = [
        (size(item.bytes), str(item.path if item.cached else item.path.relative_to(store.root)), item.reason)
        for item in found.removable
    ]
    print_columns(rows, right=[0])
    if not rows:
        say(f"{store.root}: nothing to remove")
    for path in found.outside:
        say(f"not touched: {path} leads out of the results folder")
    if found.busy:
        say(f"not looked into: {len(found.busy)} runs that somebody works at")


def verify_run(
    run: OneRun,
    tolerance: Annotated[
        float | None, typer.Option(min=0, help="largest difference of a metric across execution classes (a share)")
    ] = None,
    results: Results = Path("results"),
    as_json: AsJson = False,
) -> None:
    """Train a finished run again, elsewhere, and compare bit for bit. Exit code 1 where it is another one."""
    from bench.cli.live import Live
    from bench.data.cache import cache_root
    from bench.scheduling.verify import TOLERANCE, verify_run
    from bench.store import Store

    store = Store(results)
    key = _one(store, run)
    with Live(err) as live:
        allowed = TOLERANCE if tolerance is None else tolerance
        found = verify_run(store, key, cache=cache_root(), tolerance=allowed, on_event=live.event)
    if as_json:
        print_json({**asdict(found), "equal": found.equal})
    else:
        verdict = {True: "within" if found.differs else "equal", False: "DIFFERENT", None: "not judged"}
        print_columns([
            (item.what, f"{item.values:,}", verdict[item.equal],
             ", ".join([*([f"largest difference {item.largest:.2g}"] if item.largest else []), item.note]).strip(", "))
            for item in found.compared
        ], right=[1])  # fmt: skip
        if found.unknown:
            say(f"not compared: {len(found.unknown)} evaluations of which no plan says what they were tested on")
        sense = "bit for bit" if not found.differs else (
            f"to {found.tolerance:g} of the larger of 1 and a value's size, for the execution class is another one "
            f"({found.differs})"
        )  # fmt: skip
        say(f"run {key} was trained again: {'equal' if found.equal else 'NOT equal'}, {sense}")
    if not found.equal:
        raise typer.Exit(1)


def _one(store: Store, run: str) -> str:
    from bench.scheduling.selection import asked, only_run

    known = [*store.run_ids(), *(of_suite.run for of_suite in asked(store))]
    if not known:
        raise BenchError(f"{store.root}: no suite has run here; see `bench run SUITE`")
    return only_run(known, run, store.root)
