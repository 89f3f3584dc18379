"""``bench data``: look at data sets, check them, align, pack and convert them."""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.console import err, print_columns, print_json, say

if TYPE_CHECKING:
    from bench.cli.live import Live
    from bench.data.checks.findings import Finding

data_app = typer.Typer(no_args_is_help=True, help="Data sets: look at them, check, align, pack and convert them.")

Format = Annotated[str, typer.Argument(help="reader, see `bench list formats`")]
Source = Annotated[Path, typer.Argument(help="the folder or file that it reads")]
Options = Annotated[list[str] | None, typer.Option("--option", metavar="KEY=VALUE", help="option of the format")]
Pixels = Annotated[int, typer.Option(min=1, help="side of the images, pixels")]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON instead of text")]


class Bad(StrEnum):
    """What becomes of an image that cannot be used."""

    refuse = "refuse"
    skip = "skip"


class Target(StrEnum):
    """What a source can be written as."""

    folder = "folder"
    bin = "bin"
    rec = "rec"


OnBadImage = Annotated[Bad, typer.Option(help="bad images: an error, or left out and named")]


@data_app.command()
def synth(
    folder: Annotated[Path, typer.Argument(help="folder to write; must not exist or be empty")],
    pixels: Annotated[int, typer.Option(help="side of the images, pixels")] = 56,
    seed: int = 2107,
    train_identities: int = 128,
    train_images: int = 20,
) -> None:
    """Write synthetic faces in the official layouts of LFW, YTF and CFP, and an image folder for training."""
    from bench.cli.live import Live
    from bench.data.synthetic.layouts import write_synthetic
    from bench.data.synthetic.spec import SyntheticSpec

    spec = SyntheticSpec(pixels=pixels, seed=seed, train_identities=train_identities, train_images=train_images)
    with Live(err) as live:
        write_synthetic(folder, spec, _telling(live, "rendering synthetic faces"))
    say(f"{spec.images} images in {folder}")


@data_app.command()
def align(
    images: Annotated[Path, typer.Argument(help="folder of images, searched to any depth")],
    landmarks: Annotated[Path, typer.Argument(help="list `path x1 y1 … x5 y5`, or a folder with a file an image")],
    to: Annotated[Path, typer.Argument(help="folder to write; must not exist or be empty")],
    pixels: Pixels = 112,
    points: Annotated[
        str | None, typer.Option(help="which points are the five, where there are others: 13-18,20+21,… (+, -: mean)")
    ] = None,
    header: Annotated[bool, typer.Option("--header", help="the list's first line names its columns")] = False,
    extra_columns: Annotated[int, typer.Option(min=0, help="numbers after the points, such as a score")] = 0,
    only: Annotated[str, typer.Option(help="only images whose path matches, such as '*/frontal/*'")] = "*",
    on_bad_image: OnBadImage = Bad.refuse,
    allow_outside: Annotated[bool, typer.Option("--allow-outside", help="landmarks may lie off the image")] = False,
    antialias: Annotated[bool, typer.Option(help="average where images shrink; InsightFace does not")] = True,
    png: Annotated[bool, typer.Option("--png", help="write PNG; otherwise each image's own file format")] = False,
) -> None:
    """Align faces to the 112×112 ArcFace template by five landmarks; no face is detected.

    The points are left eye, right eye, nose, left and right corner of the mouth; left is the image's left.
    """
    from bench.cli.live import Live
    from bench.data.alignment.folder import Manner, align_folder
    from bench.data.alignment.landmarks import FIVE, parse_selection, read_landmarks

    selection = FIVE if points is None else parse_selection(points)
    found = read_landmarks(landmarks, selection=selection, header=header, extra_columns=extra_columns)
    manner = Manner(pixels, antialias=antialias, allow_outside=allow_outside, png=png)
    with Live(err) as live:
        done = align_folder(
            images, found, to, manner, only=only, on_bad_image=on_bad_image.value, progress=_telling(live, "aligning")
        )
    say(f"{done.written:,} images of {pixels}x{pixels} pixels in {to}")
    _left_out("left out", done.skipped)
    _left_out("files that are no images, not looked at", done.no_images)


@data_app.command()
def inspect(
    path: Annotated[Path, typer.Argument(help="any folder or file")],
    sample: Annotated[int | None, typer.Option(min=1, help="look into so many images only, spread evenly")] = None,
    as_json: AsJson = False,
) -> None:
    """Say what a path is: which readers take it, how many images of whom, and what is suspicious."""
    from bench.cli.live import Live
    from bench.data.checks import inspect as checks

    with Live(err) as live:
        found = checks.inspect(path, sample=sample, progress=_telling(live, "looking into images"))
    if as_json:
        print_json(found.record())
        return
    say(f"{found.path}: {found.looks_like}\n")
    told = [reading for reading in found.readings if reading.takes or reading.expected]
    print_columns([(r.format, r.note if r.takes else f"does not take it: {r.note}") for r in told])
    if not any(reading.takes for reading in found.readings):
        say("nor does any other reader" if told else "no reader takes it")
    elif len(told) < len(found.readings):
        say(f"not taken by {', '.join(r.format for r in found.readings if r not in told)}")
    if found.counts:
        say(f"\nas {found.analysed_as}")
        print_columns(_in_words(found.counts))
    if found.suspicious:
        say("\nsuspicious")
        _findings(found.suspicious)


@data_app.command()
def verify(
    format: Format,
    path: Source,
    option: Options = None,
    facts: Annotated[str | None, typer.Option(help="a known data set whose counts it must have: lfw, cfp, …")] = None,
    as_json: AsJson = False,
) -> None:
    """Check a source completely: images decode, labels, pairs and folds agree. Exit code 1 where they do not."""
    from dataclasses import replace

    from bench.catalog.facts import FACTS
    from bench.cli.live import Live
    from bench.data.checks import verify as checks
    from bench.data.source import disagreements_with, read_named
    from bench.errors import DataError, UnknownNameError, unknown_name
    from bench.suite.source import parse_options

    if facts is not None and facts not in FACTS:
        raise UnknownNameError(unknown_name("facts", facts, FACTS))
    options = parse_options("--option", option or ())
    try:
        source = read_named(format, path, options)
    except DataError as error:
        if as_json:
            print_json({"sound": False, "refused": str(error), "problems": [], "remarks": []})
            raise typer.Exit(1) from None
        raise
    with Live(err) as live:
        found = checks.verify(source, progress=_telling(live, "decoding images"))
    if facts is not None:
        counted = checks.counts_told(facts, disagreements_with(facts, format, path, source))
        found = replace(found, problems=(counted, *found.problems))
    if as_json:
        print_json(found.record())
    else:
        say(f"{path} as {format}: checked, and found\n")
        _findings(found.problems)
        remarks = [remark for remark in found.remarks if remark.count]
        if remarks:
            say("\nremarks, which official lists give cause to as well")
            _findings(remarks)
        unsound = sum(bool(problem.count) for problem in found.problems)
        say("\nsound" if found.sound else f"\nnot sound: {unsound} of {len(found.problems)} checks found something")
    if not found.sound:
        raise typer.Exit(1)


@data_app.command()
def pack(
    format: Format,
    path: Source,
    pixels: Annotated[int, typer.Option(min=1, help="side of the images, pixels, as `data.pixels` of a suite")],
    option: Options = None,
    on_bad_image: OnBadImage = Bad.refuse,
    as_json: AsJson = False,
) -> None:
    """Decode a source into the packed store ahead of the first suite that uses it."""
    from bench.cli.live import Live
    from bench.data.cache import cache_root
    from bench.data.packing import pack_source
    from bench.data.source import read_named
    from bench.suite.source import parse_options

    began = time.monotonic()
    source = read_named(format, path, parse_options("--option", option or ()))
    with Live(err) as live:
        stored = pack_source(
            source, pixels, cache_root(), on_bad_image=on_bad_image.value, progress=_telling(live, "packing")
        )
    seconds = round(time.monotonic() - began, 2)
    if as_json:
        print_json({**stored.record(), "seconds": seconds})
        return
    already = "" if stored.new else " (packed before)"
    print_columns(
        [
            ("digest", stored.digest),
            ("images", f"{stored.images:,}{already}"),
            ("on disk", f"{stored.bytes / 2**20:,.1f} MiB in {stored.folder}"),
            ("seconds", f"{seconds:g}"),
        ]
    )
    _left_out("left out", stored.skipped)


@data_app.command()
def convert(
    format: Format,
    path: Source,
    to: Annotated[Path, typer.Argument(help="folder to write; for a .bin the file")],
    as_: Annotated[Target, typer.Option("--as", help="image folder, InsightFace's .bin, or its train.rec")],
    option: Options = None,
) -> None:
    """Write a source as an image folder, a .bin or record files; encoded images are copied byte for byte."""
    from bench.cli.live import Live
    from bench.data.convert import convert as write
    from bench.data.source import read_named
    from bench.suite.source import parse_options

    source = read_named(format, path, parse_options("--option", option or ()))
    with Live(err) as live:
        done = write(source, to, as_.value, progress=_telling(live, "writing images"))
    pairs = "" if done.pairs is None else f", {done.pairs:,} pairs"
    say(f"{done.images:,} images of {done.identities:,} people{pairs} in {to}")
    for note in done.notes:
        say(note)


@data_app.command()
def overlap(
    format_a: Annotated[str, typer.Argument(metavar="FORMAT_A", help="reader of the first source")],
    path_a: Annotated[Path, typer.Argument(metavar="PATH_A")],
    format_b: Annotated[str, typer.Argument(metavar="FORMAT_B", help="reader of the second source")],
    path_b: Annotated[Path, typer.Argument(metavar="PATH_B")],
    option_a: Annotated[list[str] | None, typer.Option(metavar="KEY=VALUE", help="of the first format")] = None,
    option_b: Annotated[list[str] | None, typer.Option(metavar="KEY=VALUE", help="of the second format")] = None,
    people_only: Annotated[bool, typer.Option("--people-only", help="read lists only, compare no image")] = False,
    as_json: AsJson = False,
) -> None:
    """Say which people two data sets share by name, and which images by content. Exit code 1 where they share any."""
    from bench.data import overlap as shared
    from bench.data.cache import cache_root, image_digests
    from bench.data.source import images_of, people_at, read_named
    from bench.suite.source import parse_options

    options = parse_options("--option-a", option_a or ()), parse_options("--option-b", option_b or ())
    first, second = people_at(format_a, path_a, options[0]), people_at(format_b, path_b, options[1])
    images: tuple[str, ...] = ()
    if not people_only:
        sources = [
            images_of(read_named(name, path, chosen))
            for name, path, chosen in zip((format_a, format_b), (path_a, path_b), options, strict=True)
        ]
        digests = [image_digests(source, cache=cache_root()) for source in sources]
        images = shared.images_in_both(sources[0].files, *digests)
    found = shared.Overlap(shared.people_in_both(first, second), images, bool(first and second))
    if as_json:
        print_json({"people": found.people, "images": None if people_only else found.images, "named": found.compared})
    else:
        say(f"people: {len(first):,} and {len(second):,}" + ("" if found.compared else "; one source names nobody"))
        say(f"in both: {len(found.people):,} people by name" + ("" if people_only else f", {len(images):,} images"))
        _left_out("people", found.people)
        _left_out("images", found.images)
    if found:
        raise typer.Exit(1)


def _telling(live: Live, what: str) -> Callable[[int, int], None]:
    return lambda done, total: live.preparing(what, done, total)


def _left_out(what: str, items: tuple[str, ...]) -> None:
    if items:
        say(f"{what}: {len(items):,}")
        print_columns([(f"  {item}",) for item in items[:5]] + [("  …",)] * (len(items) > 5))


def _findings(findings: tuple[Finding, ...] | list[Finding]) -> None:
    """A line each, ``count of checked what``, and below it up to five cases."""
    width = max(len(f"{found.count:,} of {found.checked:,}") for found in findings)
    for found in findings:
        print_columns([(f"{found.count:,} of {found.checked:,}".rjust(width), found.what)])
        print_columns([(" " * width, example) for example in found.examples])
        if found.count > len(found.examples) > 0:
            print_columns([(" " * width, f"… and {found.count - len(found.examples):,} more")])


def _in_words(counts: dict[str, object]) -> list[tuple[str, str]]:
    """Counts by name, in words."""
    rows = []
    for key, value in counts.items():
        if isinstance(value, dict):
            text = ", ".join(f"{name} {count:,g}" for name, count in value.items())
        else:
            text = f"{value:,}"
        rows.append((key.replace("_", " "), text))
    return rows
