"""`bench compare`, `bench export`, `bench import`, `bench reproduce`: results held against others, and handed on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.console import err, print_json, say
from bench.cli.options import AsJson, Inline, Results

if TYPE_CHECKING:
    from bench.exchange.reproduce import Checked, Reproduced


def add_commands(app: typer.Typer) -> None:
    app.command()(compare)
    app.command()(export)
    app.command("import")(import_)
    app.command()(reproduce)


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


def reproduce(
    file: Annotated[Path, typer.Argument(help="table.json, a run's result.json, provenance.json or an export")],
    only_plan: Annotated[bool, typer.Option("--plan", help="only say whether these runs would be the same")] = False,
    into: Annotated[
        Path, typer.Option(help="results folder to train into; what is there already is not trained again")
    ] = Path("reproduced"),
    inline: Inline = False,
    as_json: AsJson = False,
) -> None:
    """Plan exactly the runs behind a table or run, train them again, and compare: exit code 1 where they differ."""
    from dataclasses import asdict

    from bench.cli.live import Live
    from bench.data.cache import cache_root
    from bench.exchange import reproduce as again
    from bench.exchange.recorded import read_recording
    from bench.scheduling.execute import InProcess
    from bench.store import Store

    recording = read_recording(file)
    checked = again.check(recording, cache_root())
    stand = [
        {"run": each.recorded.run.run, "name": each.name, "problems": [*each.problems], "missing": each.missing}
        for each in checked
    ]
    against = any(each.problems or each.missing for each in checked)
    if only_plan or against:
        if as_json:
            print_json({"runs": stand})
        else:
            _print_checked(checked)
        if against:
            raise typer.Exit(1)
        return
    store = Store(into)
    store.check_writable()
    with Live(err) as live:
        executor = InProcess(again.device_of(recording.runs)) if inline else None
        failed = again.train(recording, store, executor=executor, on_event=live.event, begin=live.begin)
    found = again.compare(recording, store)
    if as_json:
        print_json({"runs": [asdict(each) for each in found], "failed": failed})
    else:
        _print_reproduced(found, failed)
    if failed or any(each.wrong for each in found):
        raise typer.Exit(1)


def _print_checked(checked: list[Checked]) -> None:
    sound = [each for each in checked if not each.problems]
    for each in checked:
        say(f"{each.recorded.run.run}  {each.name}  {'; '.join(each.problems) or each.missing or 'the same ids'}")
    lacking = sum(bool(each.missing) for each in checked)
    say(
        f"{len(sound)} of {len(checked)} runs have the recorded ids when computed from their configuration"
        + (f"; the data of {lacking} is not here" if lacking else "")
    )


def _print_reproduced(found: list[Reproduced], failed: dict[str, str]) -> None:
    for each in found:
        how = f"another execution class ({each.differs}); within tolerance" if each.differs else "equal to the bit"
        if each.differs and each.largest:
            how += f", largest difference {each.largest:.2g}"
        if not each.values:
            how = "trained; nothing is recorded to hold it against"
        more = f"; and {len(each.wrong) - 3} more" if len(each.wrong) > 3 else ""
        verdict = f"DIFFERS: {'; '.join(each.wrong[:3])}{more}" if each.wrong else how
        say(f"{each.run}  {each.name}  {each.values} values: {verdict}")
    for run, reason in failed.items():
        say(f"{run}  failed: {reason}")
    say(f"{sum(not each.wrong for each in found)} of {len(found) + len(failed)} runs are reproduced")
