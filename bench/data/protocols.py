"""Protocols beside their packed images, so that a worker needs neither the source nor its reader.

``CACHE/protocols/DIGEST.safetensors`` holds the arrays, and the names as its metadata.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from bench.data.cache import stored_at, write_whole
from bench.data.packed import OnBadImage, PackedImages, Progress, open_packed, pack
from bench.data.types import Bool, Int, Protocol
from bench.errors import SHOWN, DataError, some

VERSION = 1
ARRAYS = ("template", "template_identity", "pairs", "same", "fold", "media")


@dataclass(frozen=True, eq=False)
class PackedProtocol:
    """A verification test with decoded images; see ``Protocol`` for the arrays.

    ``template_identity``: (T,) int64 index into ``images.identities``; where ``named`` is False it is made up from the
    genuine pairs, so that one person may have several. ``name`` is the one it was packed under.
    """

    name: str
    images: PackedImages
    template: Int
    template_names: tuple[str, ...]
    template_identity: Int
    pairs: Int
    same: Bool
    fold: Int | None
    media: Int | None
    named: bool
    digest: str


def pack_protocol(
    protocol: Protocol,
    *,
    pixels: int,
    cache: Path,
    on_bad_image: OnBadImage = "refuse",
    progress: Progress | None = None,
    workers: int | None = None,
) -> str:
    """Stores a protocol and its images unless they are stored already; returns its digest.

    The digest covers images, pixels, templates, pairs, labels and folds, not the protocol's name. With
    ``on_bad_image="skip"`` a template is pooled from those of its images that can be read; one that has none left would
    take its pairs out of the test, and is refused. Raises as ``pack`` does, and DataError where the protocol
    contradicts itself.
    """
    identity = template_identity(protocol)
    images = pack(
        protocol.images, pixels=pixels, cache=cache, on_bad_image=on_bad_image, progress=progress, workers=workers
    )
    rows = open_packed(cache, images).rows
    _none_lost(protocol, rows)
    arrays = {
        "template": protocol.template[rows],
        "template_identity": identity,
        "pairs": protocol.pairs,
        "same": protocol.same,
    }
    if protocol.fold is not None:
        arrays["fold"] = protocol.fold
    if protocol.media is not None:
        arrays["media"] = protocol.media[rows]
    name = _digest(images, protocol.template_names, protocol.images.named, arrays)
    file = _file(cache, name)
    if not _sound(file):
        metadata = {
            "name": protocol.name,
            "images": images,
            "template_names": json.dumps(protocol.template_names),
            "named": json.dumps(protocol.images.named),
        }
        write_whole(file, save({key: np.ascontiguousarray(array) for key, array in arrays.items()}, metadata))
    return name


def _digest(images: str, names: Sequence[str], named: bool, arrays: Mapping[str, np.ndarray]) -> str:
    found = hashlib.sha256(json.dumps(["protocol", VERSION, images, names]).encode())
    if not named:
        found.update(b"people are not named")
    for key in (key for key in ARRAYS if key in arrays):
        found.update(json.dumps([key, arrays[key].shape]).encode())
        found.update(np.ascontiguousarray(arrays[key]).tobytes())
    return found.hexdigest()


def open_protocol(cache: Path, digest: str) -> PackedProtocol:
    """Opens a stored protocol and maps its images. Raises DataError where it is missing or damaged."""
    file = _file(cache, digest)
    if not file.is_file():
        raise DataError(f"protocol {file} is not packed; run the same command again to pack it")
    try:
        stored, arrays = _read(file)
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"protocol {file} is damaged ({error}); run the same command again to pack it") from None
    images = open_packed(cache, stored.pop("images"))
    return PackedProtocol(digest=digest, images=images, **stored | {"fold": None, "media": None} | arrays)


def pair_people(cache: Path, digest: str) -> tuple[Int, bool]:
    """Whom the pairs of a stored protocol show, (P, 2) int64, and whether the protocol names them; no image is needed.

    Raises DataError where it is missing or damaged.
    """
    file = _file(cache, digest)
    try:
        said, arrays = _read(file)
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"protocol {file} is missing or damaged ({error}); `bench plan SUITE` packs it") from None
    return arrays["template_identity"][arrays["pairs"]], said["named"]


def _read(file: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What a stored protocol says of itself, and its arrays. Raises ValueError and others where it is damaged."""
    with safe_open(file, framework="numpy") as stored:
        metadata = stored.metadata()
        arrays = {key: stored.get_tensor(key) for key in stored.keys()}  # noqa: SIM118 (not a mapping)
    said = {
        "name": metadata["name"],
        "images": metadata["images"],
        "template_names": tuple(json.loads(metadata["template_names"])),
        "named": json.loads(metadata.get("named", "true")),
    }
    if _digest(said["images"], said["template_names"], said["named"], arrays) != file.stem:
        raise ValueError("it does not hold what was packed")
    return said, arrays


def _sound(file: Path) -> bool:
    try:
        return bool(_read(file))
    except (SafetensorError, OSError, ValueError, KeyError, TypeError):
        return False


def images_digest(cache: Path, digest: str) -> str | None:
    """The digest of a stored protocol's packed images; None where the protocol is not stored or cannot be read."""
    try:
        with safe_open(_file(cache, digest), framework="numpy") as stored:
            return str(stored.metadata()["images"])
    except (SafetensorError, OSError, KeyError, TypeError):
        return None


def _file(cache: Path, digest: str) -> Path:
    return stored_at(cache, "protocols", digest).with_suffix(".safetensors")


def template_identity(protocol: Protocol) -> Int:
    """(T,) int64 index into ``images.identities``: whose face each template shows.

    Raises DataError for templates without images or of several people, and where pairs contradict their people.
    """
    count = len(protocol.template_names)
    identity = np.full(count, -1, np.int64)
    identity[protocol.template] = protocol.images.labels
    problems = [f"template {protocol.template_names[t]} has no image" for t in np.flatnonzero(identity < 0)]
    mixed = np.unique(protocol.template[identity[protocol.template] != protocol.images.labels])
    problems += [f"template {protocol.template_names[t]} shows several people" for t in mixed]
    first, second = identity[protocol.pairs].T
    wrong = np.flatnonzero((first == second) != protocol.same)
    problems += [
        f"pair {p} is called {'genuine' if protocol.same[p] else 'impostor'}, its people say otherwise"
        for p in wrong[:SHOWN]
    ]
    if problems:
        raise DataError(f"protocol {protocol.name}: {some(problems)}")
    return identity


def _none_lost(protocol: Protocol, rows: Int) -> None:
    lost = np.setdiff1d(protocol.template, protocol.template[rows])
    if len(lost):
        names = [protocol.template_names[t] for t in lost]
        raise DataError(
            f"protocol {protocol.name}: {len(lost)} templates have no readable image: {some(names)}; "
            "their pairs cannot be compared, and a test without them would be another test"
        )
