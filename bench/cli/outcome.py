"""What commands that train do at their end: tables, reports, the mirror, and which runs failed."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping

import typer

from bench.cli.console import err, out
from bench.store import Store


def write_reports(store: Store, names: Iterable[str], *, toy: bool = False) -> None:
    """Writes the report of each suite and prints its table, its toy networks trained first where asked for."""
    from bench.report.toy import train_toys
    from bench.report.write import write_report
    from bench.report.writers import to_text

    for name in names:
        plan = store.plan(name)
        if toy or plan["report"].get("toy"):
            train_toys(store, plan, lambda done, count: err.print(f"toy networks: {done}/{count}", markup=False))
        paths = write_report(store, name)
        out.print(to_text(paths.table, out.width) if out.is_terminal else paths.text, markup=False)
        for warning in paths.warnings:
            err.print(f"warning: {warning}", markup=False)
        out.print(f"report: {paths.page}", markup=False)


def finish(store: Store, names: Iterable[str], track: bool, failed: Mapping[str, str]) -> None:
    """Mirrors to MLflow, which may fail without harm, and says which runs failed: exit code 1 then."""
    if track:
        from bench.tracking import track_quietly, uri_from_environment

        if trouble := track_quietly(store, *names, uri=uri_from_environment()):
            err.print(f"warning: {trouble}", markup=False)
    for key, reason in failed.items():
        err.print(f"failed {key}: {reason}", markup=False)
    if failed:
        raise typer.Exit(1)


def command_line() -> str:
    """What was called, for records: passwords in URLs are left out."""
    return re.sub(r"(://[^:/@\s]+):\S*@", r"\1:***@", " ".join(["python -m bench", *sys.argv[1:]]))
