"""Arguments and options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

SuiteFile = Annotated[Path, typer.Argument(help="suite file, such as suites/ablation_intra.yaml")]
Overrides = Annotated[list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="override a field")]
Results = Annotated[Path, typer.Option("--results", envvar="BENCH_RESULTS", help="results folder")]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON instead of a table")]
Inline = Annotated[bool, typer.Option("--inline", help="train in this process, for debugging")]
Track = Annotated[bool, typer.Option(help="mirror to MLflow when done")]
Asked = Annotated[
    list[str], typer.Argument(metavar="SUITE|RUN…", help="suites by name or file, runs by the beginning of their id")
]
OneRun = Annotated[str, typer.Argument(metavar="RUN", help="a run's id, or the beginning of it")]
