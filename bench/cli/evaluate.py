"""``bench evaluate``: any model, embeddings or scores on any protocol."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

WHAT, DATA, FEED, MEASURE, OUT = "What is evaluated (one)", "Data", "What a network is fed", "Metrics", "Output"


def evaluate(
    context: typer.Context,
    protocols: Annotated[list[str] | None, typer.Argument(
        help="short names, such as lfw, ytf, cfp_fp, cfp_ff")] = None,
    embeddings: Annotated[Path | None, typer.Option(
        rich_help_panel=WHAT, metavar="FILE", help=".npz (embeddings, names), .parquet, or .npy")] = None,
    scores: Annotated[Path | None, typer.Option(
        rich_help_panel=WHAT, metavar="FILE", help=".npy or .csv, in the order of the protocol's pairs")] = None,
    onnx: Annotated[Path | None, typer.Option(rich_help_panel=WHAT, metavar="FILE", help="an ONNX model")] = None,
    checkpoint: Annotated[str | None, typer.Option(
        rich_help_panel=WHAT, metavar="RUN", help="a trained run's id, or the beginning of it")] = None,
    module: Annotated[str | None, typer.Option(
        rich_help_panel=WHAT, metavar="PLACE:NAME",
        help="package.module:factory (runs its code), or timm:NAME")] = None,
    names: Annotated[Path | None, typer.Option(
        rich_help_panel=WHAT, metavar="FILE", help="text: the images of an .npy file, a line each")] = None,
    in_order: Annotated[bool | None, typer.Option(
        "--in-order", rich_help_panel=WHAT, help="an .npy file stands in the protocol's own order")] = None,
    per: Annotated[Literal["image", "template"] | None, typer.Option(
        rich_help_panel=WHAT, help="what an embedding is of; default: image")] = None,
    direction: Annotated[Literal["similarity", "distance"] | None, typer.Option(
        rich_help_panel=WHAT, help="whether a higher score means more alike, or less")] = None,
    output: Annotated[str | None, typer.Option(rich_help_panel=WHAT, help="which output of an ONNX model")] = None,
    weights: Annotated[Path | None, typer.Option(
        rich_help_panel=WHAT, metavar="FILE", help="of a module, .safetensors")] = None,
    module_option: Annotated[list[str] | None, typer.Option(
        rich_help_panel=WHAT, metavar="KEY=VALUE", help="argument of the module's factory")] = None,
    results: Annotated[Path, typer.Option(
        envvar="BENCH_RESULTS", rich_help_panel=WHAT, help="results folder that holds the run")] = Path("results"),
    root: Annotated[str | None, typer.Option(
        rich_help_panel=DATA, help="folder of the data sets, or `synthetic`; default: BENCH_DATA_ROOT")] = None,
    format_name: Annotated[str | None, typer.Option(
        "--format", rich_help_panel=DATA, help="read one protocol at the root itself: lfw, ytf, cfp, …")] = None,
    option: Annotated[list[str] | None, typer.Option(
        rich_help_panel=DATA, metavar="KEY=VALUE", help="option of the protocol, as in a suite")] = None,
    synthetic: Annotated[list[str] | None, typer.Option(
        rich_help_panel=DATA, metavar="KEY=VALUE", help="of the synthetic faces, such as pixels=32")] = None,
    pixels: Annotated[int | None, typer.Option(
        min=16, max=512, rich_help_panel=FEED, help="side of the images, if the model does not fix it")] = None,
    colour: Annotated[str | None, typer.Option(rich_help_panel=FEED, help="rgb or bgr; default: rgb")] = None,
    scale: Annotated[str | None, typer.Option(
        rich_help_panel=FEED, help="range of the values: -1..1, 0..1 or 0..255; default: -1..1")] = None,
    mean: Annotated[str | None, typer.Option(
        rich_help_panel=FEED, help="in place of a range: subtracted; a number, or three with commas")] = None,
    std: Annotated[str | None, typer.Option(rich_help_panel=FEED, help="then divided by")] = None,
    flip: Annotated[bool | None, typer.Option(
        "--flip/--no-flip", rich_help_panel=FEED, help="add the mirror image's embedding; default: yes")] = None,
    device: Annotated[Literal["auto", "cpu", "cuda"] | None, typer.Option(
        rich_help_panel=FEED, help="default: auto; ONNX: cpu")] = None,
    far: Annotated[str, typer.Option(rich_help_panel=MEASURE, help="rates of TAR@FAR")] = "1e-2,1e-3,1e-4",
    all_pairs_far: Annotated[str, typer.Option(
        rich_help_panel=MEASURE, help="rates of TAR@FAR over every pair of templates; '': none")] = "1e-4,1e-5",
    ranks: Annotated[str, typer.Option(
        rich_help_panel=MEASURE, help="ranks of closed-set identification; '': none")] = "1,5",
    fpir: Annotated[str, typer.Option(
        rich_help_panel=MEASURE, help="rates of open-set identification; '': none")] = "1e-2",
    bootstrap: Annotated[int, typer.Option(
        min=0, rich_help_panel=MEASURE, help="replicates of the 95 % intervals; 0: none")] = 1000,
    seed: Annotated[int, typer.Option(min=0, rich_help_panel=MEASURE, help="of the bootstrap")] = 0,
    as_json: Annotated[bool, typer.Option("--json", rich_help_panel=OUT, help="print JSON instead of tables")] = False,
    out: Annotated[Path | None, typer.Option(rich_help_panel=OUT, metavar="FILE", help="also write the JSON")] = None,
    save_embeddings: Annotated[Path | None, typer.Option(
        rich_help_panel=OUT, metavar="FILE.npz", help="the images' raw embeddings, by name")] = None,
    save_scores: Annotated[Path | None, typer.Option(
        rich_help_panel=OUT, metavar="FILE.npy", help="in the order of the protocol's pairs")] = None,
) -> None:  # fmt: skip
    """Evaluate embeddings, scores or a model of any origin on verification protocols."""
    from rich.console import Console

    from bench.cli.evaluate_methods import make_method, one_source, parse_ranks, parse_rates
    from bench.cli.evaluate_table import print_tables
    from bench.cli.live import Live
    from bench.data.cache import cache_root
    from bench.evaluation.files import npy_bytes, npz_bytes
    from bench.evaluation.protocols import find_protocols
    from bench.evaluation.record import Measures
    from bench.records import write_bytes, write_json
    from bench.suite.source import parse_options
    from bench.training.environment import environment

    given = {name: value for name, value in context.params.items() if value not in (None, [], ())}
    source = one_source(given)
    measures = Measures(
        far=parse_rates(far),
        all_pairs_far=parse_rates(all_pairs_far),
        ranks=parse_ranks(ranks),
        fpir=parse_rates(fpir),
        bootstrap=bootstrap,
        seed=seed,
    )
    method = make_method(source, given)  # a file that is missing is told before any face is rendered
    with Live(Console(stderr=True, highlight=False, soft_wrap=True)) as live:
        tests = find_protocols(
            protocols or [], root=root, format_name=format_name, options=parse_options("--option", option or ()),
            synthetic=parse_options("--synthetic", synthetic or ()), cache=cache_root(), tell=live.preparing,
        )  # fmt: skip
        records = {}
        for test in tests:
            records[test.name], found, raw = method.run(test, measures, live.preparing)
            if test.notes:
                records[test.name]["notes"]["data"] = "; ".join(test.notes)
            if save_scores is not None:
                write_bytes(save_scores, npy_bytes(found))
            if save_embeddings is not None and raw is not None:
                write_bytes(save_embeddings, npz_bytes(test.protocol.images.files, raw))
    result = {"schema": 1, "model": method.facts, "evaluations": records, "environment": environment()}
    if out is not None:
        write_json(out, result)
    if as_json:
        sys.stdout.write(json.dumps(result, indent=1, allow_nan=False) + "\n")
    else:
        print_tables(result)
