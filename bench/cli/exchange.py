"""`bench compare`, `bench export`, `bench import`, `bench reproduce`: results held against others, and handed on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli.console import err, say
from bench.cli.options import Results


def add_commands(app: typer.Typer) -> None:
    app.command("export")(export)
    app.command("import")(import_)


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
