"""`bench compare`, `bench export`, `bench import`, `bench reproduce`: results held against others, and handed on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli.console import err, print_json, say
from bench.cli.options import AsJson, Results


def add_commands(app: typer.Typer) -> None:
    app.command()(compare)
    app.command()(export)
    app.command("import")(import_)


def compare(
    a: Annotated[str, typer.Argument(metavar="A", help="a suite, a run's or cell's id, or SUITE:axis=value,…")],
    b: Annotated[str, typer.Argument(metavar="B", help="what A is held against: another of the same kind")],
    metric: Annotated[list[str] | None, typer.Option(help="a metric, again for more; else accuracy")] = None,
    protocol: Annotated[list[str] | None, typer.Option(help="a protocol, again for more; else all")] = None,
    results: Results = Path("results"),
    as_json: AsJson = False,
) -> None:
    """Say how A differs from B, with intervals: cells by their axes, paired by seed; or two runs."""
    from bench.report.compare import compare as compared
    from bench.report.sides import side_of
    from bench.store import Store

    store = Store(results)
    found = compared(
        store, side_of(store, a), side_of(store, b), metrics=metric or ["accuracy"], protocols=protocol or []
    )
    store.save_index()
    if as_json:
        lines = [line.record() for line in found.lines]
        print_json({"lines": lines, "unmatched": found.unmatched, "warnings": found.warnings})
        return
    for warning in found.warnings:
        err.print(f"warning: {warning}", markup=False)
    for line in found.lines:
        say(f"{line.a} against {line.b}, {line.protocol}:")
        say(f"  {line.words}")
    for method in dict.fromkeys(line.found.method for line in found.lines):
        say(f"method: {method}")
    for note in found.unmatched:
        say(f"not compared: {note}")


def export(
    suite: Annotated[str, typer.Argument(help="a suite's name or file")],
    path: Annotated[Path, typer.Argument(metavar="OUT.zip")],
    scores: Annotated[bool, typer.Option(help="the scores of all pairs, from which metrics can be checked")] = True,
    embeddings: Annotated[bool, typer.Option("--embeddings", help="embeddings of templates and images too")] = False,
    weights: Annotated[bool, typer.Option("--weights", help="weights of backbones and heads too")] = False,
    force: Annotated[bool, typer.Option("--force", help="write over a file that is there")] = False,
    results: Results = Path("results"),
) -> None:
    """Write a suite's plan, results, scores, tables and figures into one file that others can check."""
    from bench.exchange.archive import ExchangeError
    from bench.exchange.export import export as write
    from bench.report.write import write_report
    from bench.scheduling.selection import suite_name
    from bench.store import Store

    store, name = Store(results), suite_name(suite)
    if path.exists() and not force:
        raise ExchangeError(f"{path} is there already; --force writes it anew")
    write_report(store, name)
    done = write(store, name, path, scores=scores, embeddings=embeddings, weights=weights, force=force)
    for note in done.notes:
        err.print(f"note: {note}", markup=False)
    say(f"{done.path}: {done.members} files of {done.runs} runs, {done.bytes / 1e6:.1f} MB; manifest {done.manifest}")


def import_(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="what `bench export` wrote")],
    check: Annotated[bool, typer.Option("--check", help="compute metrics from the scores again")] = False,
    results: Results = Path("results"),
) -> None:
    """Read an export into a results folder: all hashes are checked, and nothing that is there is changed."""
    from bench.exchange.import_ import import_export
    from bench.store import Store

    done = import_export(Store(results), path, check=check)
    say(
        f"suite {done.suite}: {len(done.added)} runs imported, {len(done.completed)} completed, "
        f"{len(done.equal)} here already"
    )
    if (found := done.checked) is not None:
        say(
            f"checked: {found.values:,} metrics of {found.evaluations} evaluations are those of their scores; "
            f"{found.rest:,} rest on embeddings and were not computed again"
            + (f"; {found.without} evaluations came without scores" if found.without else "")
        )
    say(f"next: bench report {done.suite}")
