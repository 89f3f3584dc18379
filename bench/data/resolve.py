"""From a suite's data block to packed images and protocols on this machine."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from bench.catalog import FORMATS
from bench.data.cache import cache_root
from bench.data.names import filter_images, normalise
from bench.data.packed import open_packed, pack
from bench.data.protocols import open_protocol, pack_protocol
from bench.data.synthetic.spec import SyntheticSpec
from bench.data.types import ImageList
from bench.errors import DataError
from bench.suite.schema import Data, ProtocolSource

Tell = Callable[[str, int, int], None]


@dataclass(frozen=True)
class PreparedData:
    """Digests in the packed store of the training set and of each protocol, with the counts a plan prints."""

    train: str
    images: int
    identities: int
    protocols: dict[str, str]
    facts: dict[str, dict[str, int]]


def prepare(data: Data, *, cache: Path | None = None, tell: Tell | None = None) -> PreparedData:
    """Writes the synthetic faces if they are asked for, and packs every source that is not packed yet.

    ``tell(what, done, total)`` is called now and then. Raises DataError for data that is missing or contradicts itself.
    """
    cache = cache or cache_root()
    root = data_root(data, cache, tell)

    def progress(what: str) -> Callable[[int, int], None]:
        return lambda done, total: tell(what, done, total) if tell else None

    protocols, facts = {}, {}
    for source in data.protocols:
        protocol = FORMATS.get(source.format).function(root / source.path, **source.protocol_options)
        protocols[source.name] = pack_protocol(
            protocol, pixels=data.pixels, cache=cache, progress=progress(f"packing {source.name}")
        )
        packed = open_protocol(cache, protocols[source.name])
        facts[source.name] = {
            "pairs": len(packed.same),
            "images": len(packed.template),
            "templates": len(packed.template_names),
        }
    train = pack(_training(data, root), pixels=data.pixels, cache=cache, progress=progress("packing training set"))
    opened = open_packed(cache, train)
    return PreparedData(train, len(opened.labels), len(opened.identities), protocols, facts)


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


def _training(data: Data, root: Path) -> ImageList:
    images: ImageList = FORMATS.get(data.train.format).function(root / data.train.path)
    excluded = {normalise(name) for source in data.train.exclude_identities_of for name in _people(source, root)}
    return filter_images(images, min_images=data.train.min_images, exclude=excluded)


def _people(source: ProtocolSource, root: Path) -> tuple[str, ...]:
    found = FORMATS.get(source.format).function(root / source.path, **source.protocol_options)
    return found.identities if isinstance(found, ImageList) else tuple(found.images.identities)
