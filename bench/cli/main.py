"""The commands: each parses, calls one function, prints. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from bench.cli.console import err, out, print_rows, shown
from bench.cli.data import data_app
from bench.cli.evaluate import evaluate
from bench.cli.exchange import add_commands as add_exchange_commands
from bench.cli.options import AsJson, Inline, Overrides, Results, SuiteFile, Track
from bench.cli.outcome import command_line, finish, write_reports
from bench.cli.report import report
from bench.cli.runs import add_commands
from bench.cli.search import search
from bench.cli.track import track
from bench.errors import BenchError
from bench.scheduling.signals import as_interrupts

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Benchmark and ablation harness for margin-based face-recognition losses.",
)
app.add_typer(data_app, name="data")
app.command()(evaluate)

SuiteFiles = Annotated[list[Path], typer.Argument(help="suite files, such as suites/ablation_intra.yaml")]
MOST_ROWS = 200  # of a plan in a terminal


@app.command()
def run(
    suites: SuiteFiles,
    overrides: Overrides = None,
    results: Results = Path("results"),
    inline: Inline = False,
    track: Track = True,
    same_class: Annotated[
        bool, typer.Option("--same-class", help="train again what was trained with another device, torch or the like")
    ] = False,
) -> None:
    """Train and evaluate what is missing, then print the table and write the report; several suites at once."""
    from bench.cli.live import Live
    from bench.scheduling.control import left_to_do
    from bench.scheduling.execute import InProcess
    from bench.scheduling.plan import make_plan
    from bench.scheduling.suite_run import check_together, run_plans
    from bench.store import Store
    from bench.suite.suite import load_suite

    loaded = [load_suite(suite, overrides or []) for suite in suites]
    check_together(loaded)
    store = Store(results)
    store.check_writable()
    with Live(err) as live:
        plans = [make_plan(suite, tell=live.preparing) for suite in loaded]
        for warning in (warning for suite in loaded for warning in suite.warnings):
            err.print(f"warning: {warning}", markup=False)
        for note in dict.fromkeys(note for plan in plans for note in plan.notes):
            err.print(f"data: {note}", markup=False)
        executor = InProcess(loaded[0].executor.device) if inline else None
        failed = run_plans(
            plans, store, command=command_line(), executor=executor, same_class=same_class,
            on_event=live.event, begin=live.begin,
        )  # fmt: skip
    names = [suite.name for suite in loaded]
    write_reports(store, names)
    if same_class:
        for name, count in left_to_do(store, (run.run for plan in plans for run in plan.runs), names).items():
            err.print(f"suite {name} also asks for {count} of these runs, and is to be run again", markup=False)
    finish(store, names, track, failed)


@app.command()
def plan(
    suite: SuiteFile, overrides: Overrides = None, results: Results = Path("results"), as_json: AsJson = False
) -> None:
    """Show the runs a suite expands to, with ids and states, without training."""
    from bench.cli.live import Live
    from bench.scheduling.plan import make_plan
    from bench.store import Store
    from bench.suite.suite import load_suite

    loaded = load_suite(suite, overrides or [])
    with Live(err) as live:
        planned = make_plan(loaded, tell=live.preparing)
    store = Store(results)
    rows = [{"run": r.run, "seed": r.seed, **r.axes, "state": r.state(store)} for r in planned.runs]
    store.save_index()
    for warning in loaded.warnings:
        err.print(f"warning: {warning}", markup=False)
    for note in planned.notes:
        err.print(f"data: {note}", markup=False)
    print_rows(rows, as_json, title=f"{loaded.name}: {len(rows)} runs", most=MOST_ROWS)


add_commands(app)
add_exchange_commands(app)
for command in (report, search, track):
    app.command()(command)


@app.command("list")
def list_(
    what: Annotated[
        str,
        typer.Argument(
            help="margins, enhancements, terms, backbones, protocols, formats, facts, augmentations, executors, figures"
        ),
    ],
    pattern: Annotated[str, typer.Argument(help="only names that hold this text; shows timm's too")] = "",
    as_json: AsJson = False,
) -> None:
    """List what is registered, with options, units and defaults."""
    from bench.catalog import AUGMENTATIONS, BACKBONES, EXECUTORS, FIGURES, FORMATS, GATES, MARGINS, PROFILES, TERMS
    from bench.catalog.facts import FACTS, expected_counts
    from bench.errors import UnknownNameError, unknown_name

    if what == "facts":
        known = [name for name in FACTS if pattern in name]
        in_words = {n: ", ".join(f"{count:,} {key}" for key, count in expected_counts(n).items()) for n in known}
        table = [{"name": name, "counts": in_words[name], "source": FACTS[name]["source"]} for name in known]
        print_rows([{"name": name, **FACTS[name]} for name in known] if as_json else table, as_json, title=what)
        return
    kinds = {
        "margins": [MARGINS],
        "enhancements": [GATES, PROFILES],
        "terms": [TERMS],
        "backbones": [BACKBONES],
        "protocols": [FORMATS],
        "formats": [FORMATS],
        "augmentations": [AUGMENTATIONS],
        "executors": [EXECUTORS],
        "figures": [FIGURES],
    }
    if what not in kinds:
        raise UnknownNameError(unknown_name("list", what, [*kinds, "facts"]))
    specs = [s for r in kinds[what] for s in r if what != "protocols" or s.traits.get("provides") == "protocol"]
    specs = [s for s in specs if s.traits.get("library") != "timm" or pattern]
    rows = []
    for spec in (s for s in specs if pattern in s.name):
        options = ", ".join(f"{o.name}={o.default}{' ' + o.unit if o.unit else ''}" for o in spec.options)
        row: dict[str, Any] = {"kind": spec.kind, "name": spec.name}
        if what == "backbones":
            parameters, macs = spec.traits.get("parameters"), spec.traits.get("macs")
            row["params, M"] = f"{parameters / 1e6:.2f}" if parameters else "varies"
            row["GFLOPs at 112 px"] = f"{2 * macs / 1e9:.2f}" if macs else "varies"
        if what == "terms":
            row |= {"place": spec.traits["place"], "weight": spec.traits["weight"]}
        rows.append({**row, "what": spec.summary, "options": options, "source": spec.source})
    if not as_json and len(kinds[what]) == 1:
        rows = [{key: value for key, value in row.items() if key != "kind"} for row in rows]
    packages = [str(spec.package or "") for spec in specs if pattern in spec.name]
    if as_json or any(packages):
        rows = [{**row, "from": package} for row, package in zip(rows, packages, strict=True)]
    if not as_json and out.width < 140:  # a terminal; `--json` has them
        rows = [{key: value for key, value in row.items() if key != "source"} for row in rows]
    print_rows(rows, as_json, title=what)


@app.command()
def schema() -> None:
    """Print the JSON schema of a suite, for editors."""
    from bench.suite.blocks import json_schema

    sys.stdout.write(json.dumps(json_schema(), indent=1) + "\n")


def main() -> None:
    """Entry point: errors a user can mend are one line (or one a mistake), without a traceback."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    try:
        with as_interrupts():
            app()
    except BenchError as error:
        err.print("[red]error:[/]", end=" " if "\n" not in str(error) else "\n")
        err.print(shown(str(error)), markup=False)  # it may hold brackets
        sys.exit(error.exit_code)
