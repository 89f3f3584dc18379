"""From a suite's data block to packed images and protocols on this machine."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock

from bench.catalog import FORMATS
from bench.data.cache import cache_root, image_digests
from bench.data.names import normalise
from bench.data.overlap import Overlap, overlap
from bench.data.packed import open_packed, pack
from bench.data.protocols import open_protocol, pack_protocol
from bench.data.selection import choose_people, filter_images, subsample
from bench.data.source import disagreements_with, people_at
from bench.data.synthetic.spec import SyntheticSpec
from bench.data.types import ImageList, Protocol
from bench.data.union import unite
from bench.errors import DataError
from bench.suite.data_block import KNOWN_PROTOCOLS, Data, ImageSource, ProtocolSource, Source

Tell = Callable[[str, int, int], None]


@dataclass(frozen=True)
class PreparedData:
    """Digests in the packed store of the training set and of each protocol, with the counts a plan prints.

    ``notes``: what was allowed or could not be checked, in sentences for the report.
    """

    train: str
    images: int
    identities: int
    protocols: dict[str, str]
    facts: dict[str, dict[str, int]]
    notes: tuple[str, ...] = ()


@dataclass
class _Preparation:
    """What is gathered while the sources of one data block are read."""

    root: Path
    cache: Path
    tell: Tell | None
    notes: dict[str, None] = field(default_factory=dict)

    def progress(self, what: str) -> Callable[[int, int], None]:
        return lambda done, total: self.tell(what, done, total) if self.tell else None

    def told_otherwise(self, source: ProtocolSource) -> None:
        """An option such as a number of frames changes every score, and the column's name does not show it."""
        usual = {**FORMATS.get(source.format).defaults, **KNOWN_PROTOCOLS.get(source.name, {})}
        other = [f"{key} {value}" for key, value in source.format_options.items() if value != usual.get(key)]
        if other:
            self.notes[f"{source.name}: read with {', '.join(other)}"] = None

    def skipped(self, name: str, images: tuple[str, ...]) -> None:
        if images:
            self.notes[f"{name}: {len(images)} unreadable images are left out, the first is {images[0]}"] = None


def prepare(data: Data, *, cache: Path | None = None, tell: Tell | None = None) -> PreparedData:
    """Writes the synthetic faces if they are asked for, and packs every source that is not packed yet.

    ``tell(what, done, total)`` is called now and then. Raises DataError for data that is missing or contradicts itself,
    whose counts are not those of the data set it is said to be, or whose training set shares people or images with a
    protocol, unless the suite gives a reason why that is right.
    """
    cache = cache or cache_root()
    doing = _Preparation(data_root(data, cache, tell), cache, tell)
    training = training_images(data, doing.root, doing.notes)
    digests = image_digests(training, cache=cache) if data.protocols else []
    protocols: list[tuple[ProtocolSource, Protocol]] = []
    leaks: list[str] = []
    for source in data.protocols:
        protocol: Protocol = read_source(source, doing.root)
        check_facts(source, protocol, doing.root, doing.notes)
        doing.told_otherwise(source)
        people = people_of(source, doing.root)
        found = overlap(training, digests, protocol.images, people, cache=cache)
        leaks += _leaks(source.name, found, data.allow_overlap, doing.notes)
        protocols.append((source, protocol))
    if leaks:
        advice = (
            "leave them out with `exclude_identities_of`, or say `data.allow_overlap: REASON`, which the report prints"
        )
        raise DataError("\n".join([*leaks, advice]))
    packed_as, facts = {}, {}
    for source, protocol in protocols:
        packed_as[source.name] = pack_protocol(
            protocol,
            pixels=data.pixels,
            cache=cache,
            on_bad_image=source.on_bad_image,
            progress=doing.progress(f"packing {source.name}"),
        )
        packed = open_protocol(cache, packed_as[source.name])
        doing.skipped(source.name, packed.images.skipped)
        facts[source.name] = {
            "pairs": len(packed.same),
            "images": len(packed.template),
            "templates": len(packed.template_names),
        }
    train = pack(
        training,
        pixels=data.pixels,
        cache=cache,
        on_bad_image=data.train.on_bad_image,
        progress=doing.progress("packing training set"),
    )
    opened = open_packed(cache, train)
    doing.skipped("training set", opened.skipped)
    return PreparedData(train, len(opened.labels), len(opened.identities), packed_as, facts, tuple(doing.notes))


def data_root(data: Data, cache: Path, tell: Tell | None = None) -> Path:
    """The folder that paths of the data block are relative to. Raises DataError if there is none."""
    if data.root == "synthetic":
        return _synthetic(data, cache, tell)
    text = data.root or os.environ.get("BENCH_DATA_ROOT")
    if not text:
        raise DataError(
            "data.root is not given: set the environment variable BENCH_DATA_ROOT, pass --set data.root=PATH, "
            "or use `root: synthetic`"
        )
    root = Path(text).expanduser()
    if not root.is_dir():
        raise DataError(f"data.root: {root} is not a folder")
    return root


def _synthetic(data: Data, cache: Path, tell: Tell | None) -> Path:
    asked = data.synthetic
    spec = SyntheticSpec(
        pixels=asked.pixels, seed=asked.seed, train_identities=asked.train_identities, train_images=asked.train_images
    )
    folder = cache / "synthetic" / spec.digest()[:16]
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f".{folder.name}.lock")):
        if not folder.is_dir():
            from bench.data.synthetic.layouts import write_synthetic  # imports torch: only when there is work

            write_synthetic(
                folder, spec, lambda done, total: tell("rendering synthetic faces", done, total) if tell else None
            )
    return folder


def read_source(source: Source, root: Path) -> Any:
    """The ImageList or Protocol that a source's format reads below the root."""
    return FORMATS.get(source.format).function(root / source.path, **source.format_options)


def people_of(source: Source, root: Path) -> tuple[str, ...]:
    """See `people_at`."""
    return people_at(source.format, root / source.path, source.format_options)


def training_images(data: Data, root: Path, notes: dict[str, None]) -> ImageList:
    """The training images, united, without the people who are to be left out, and subsampled."""
    train = data.train
    parts = [_one_source(source, root, notes) for source in train.sources]
    images = unite(parts, people=train.people) if train.people else parts[0]
    excluded: set[str] = set()
    for source in train.exclude_identities_of:
        people = {normalise(name) for name in people_of(source, root)} - {""}
        if not people:
            raise DataError(f"exclude_identities_of: {root / source.path} ({source.format}) names nobody to leave out")
        excluded |= people
    if excluded:
        if not images.named:
            raise DataError(f"{images.where} names nobody, so exclude_identities_of cannot leave anybody out of it")
        images = filter_images(images, exclude=excluded)
    return subsample(
        images, identities=train.subsample.identities, images_each=train.subsample.images, seed=train.subsample.seed
    )


def _one_source(source: ImageSource, root: Path, notes: dict[str, None]) -> ImageList:
    images: ImageList = read_source(source, root)
    check_facts(source, images, root, notes)
    if source.include_identities is not None or source.exclude_identities is not None:
        include, exclude = (_names(listed, root) for listed in (source.include_identities, source.exclude_identities))
        images = choose_people(images, include=include, exclude=exclude or ())
    return filter_images(images, min_images=source.min_images)


def _names(listed: list[str] | str | None, root: Path) -> list[str] | None:
    if not isinstance(listed, str):
        return listed
    from bench.data.formats._lists import lines_of

    return [name for _, name in lines_of(root / listed)]


def check_facts(source: Source, found: ImageList | Protocol, root: Path, notes: dict[str, None]) -> None:
    """Compares a source with the data set that it is said to be. Raises DataError with both numbers."""
    if source.facts is None:
        return
    wrong = disagreements_with(source.facts, source.format, root / source.path, found)
    if wrong and source.allow_partial is None:
        raise DataError(
            f"{root / source.path}: {'; '.join(wrong)}; mend the data, or say `allow_partial: REASON` beside `facts`, "
            "which the report prints"
        )
    if wrong:
        notes[f"{source.path} ({source.format}): {'; '.join(wrong)}; allowed: {source.allow_partial}"] = None


def _leaks(name: str, found: Overlap, reason: str | None, notes: dict[str, None]) -> list[str]:
    """What of the training set is in a protocol too, as sentences; a note instead where there is a reason for it."""
    if not found.compared:
        notes[
            f"{name}: not all training and test people could be compared by name (a source names nobody); "
            "images were compared by content"
        ] = None
    if not found:
        return []
    if reason is None:
        return [f"the training set and {name} share {found}"]
    notes[f"the training set and {name} share {found}; allowed: {reason}"] = None
    return []
