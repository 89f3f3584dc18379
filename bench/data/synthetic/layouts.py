"""Writes synthetic faces in the layouts that real data come in: an image folder, LFW, YTF and CFP."""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from itertools import islice
from pathlib import Path, PurePosixPath

from PIL import Image

from bench.data.synthetic.draws import stream
from bench.data.synthetic.identity import identity, name_of
from bench.data.synthetic.pairs import Item, across, alike
from bench.data.synthetic.render import CHUNK, Shot, render
from bench.data.synthetic.spec import GENERATOR_VERSION, SyntheticSpec, fold_of
from bench.data.synthetic.views import REGIMES, video
from bench.data.whole import new_folder

JPEG = {"quality": 92, "subsampling": 0}
WORKERS = 2

File = tuple[str, Shot]
Progress = Callable[[int, int], None]


def write_synthetic(folder: Path, spec: SyntheticSpec, progress: Progress | None = None) -> None:
    """Write ``train/``, ``lfw/``, ``ytf/``, ``cfp/`` and ``synthetic.json`` under ``folder``, whole or not at all.

    ``progress`` is told (images written, images in all). Raises ``DataError`` if ``folder`` exists and is not an
    empty folder, or cannot be written.
    """
    with new_folder(Path(folder), "synthetic faces") as unfinished:
        _write_images(unfinished, spec, progress)
        for path, text in texts(spec).items():
            _write_text(unfinished / path, text)
        _reach_disk()


def files(spec: SyntheticSpec) -> Iterator[File]:
    """Every image: its path in the folder, posix style, and what it shows."""
    for who in range(spec.train_identities):
        yield from _shots(spec, "train", who, f"train/{name_of('train', who)}", ("training",) * spec.train_images)
    for who in range(spec.lfw_identities):
        name = name_of("lfw", who)
        yield from _shots(spec, "lfw", who, f"lfw/lfw/{name}", ("wild",) * spec.lfw_images, f"{name}_{{:04d}}.jpg")
    for who in range(spec.cfp_identities):
        for regime, count in (("frontal", spec.cfp_frontal), ("profile", spec.cfp_profile)):
            place = f"cfp/Data/Images/{who + 1:03d}/{regime}"
            yield from _shots(spec, "cfp", who, place, (regime,) * count, "{:02d}.jpg")
    for who in range(spec.ytf_identities):
        face = identity(spec.seed, "ytf", who)
        for clip in range(spec.ytf_videos):
            names = (spec.seed, "ytf", who, clip)
            for frame, view in enumerate(video(stream(*names), spec.ytf_frames)):
                path = f"ytf/aligned_images_DB/{name_of('ytf', who)}/{clip}/{frame}.jpg"
                yield path, Shot(face, view, (*names, frame))


def texts(spec: SyntheticSpec) -> dict[str, str]:
    """Path → content of the protocol files and of ``synthetic.json``."""
    about = {"generator": GENERATOR_VERSION, "digest": spec.digest(), "spec": asdict(spec)}
    return {
        "synthetic.json": json.dumps(about, indent=1) + "\n",
        "lfw/pairs.txt": _lfw_pairs(spec),
        "ytf/splits.txt": _ytf_splits(spec),
        **{f"cfp/{path}": text for path, text in _cfp_texts(spec).items()},
    }


def _shots(
    spec: SyntheticSpec, split: str, who: int, place: str, regimes: tuple[str, ...], pattern: str = "{:04d}.jpg"
) -> Iterator[File]:
    face = identity(spec.seed, split, who)
    for number, regime in enumerate(regimes, start=1):
        names = (spec.seed, split, who, regime, number)
        yield f"{place}/{pattern.format(number)}", Shot(face, REGIMES[regime](stream(*names)), names)


def _members(spec: SyntheticSpec, identities: int, fold: int) -> list[int]:
    return [who for who in range(identities) if fold_of(who, identities, spec.folds) == fold]


def _lfw_pairs(spec: SyntheticSpec) -> str:
    def name(item: Item) -> str:
        return name_of("lfw", item.identity)

    lines = [f"{spec.folds}\t{spec.lfw_pairs}"]
    for fold in range(spec.folds):
        who = _members(spec, spec.lfw_identities, fold)
        same, different = alike(who, spec.lfw_images, spec.lfw_pairs, stream(spec.seed, "lfw pairs", fold))
        lines += [f"{name(a)}\t{a.number + 1}\t{b.number + 1}" for a, b in same]
        lines += [f"{name(a)}\t{a.number + 1}\t{name(b)}\t{b.number + 1}" for a, b in different]
    return "\n".join(lines) + "\n"


def _ytf_splits(spec: SyntheticSpec) -> str:
    lines = []
    for fold in range(spec.folds):
        who = _members(spec, spec.ytf_identities, fold)
        same, different = alike(who, spec.ytf_videos, spec.ytf_pairs, stream(spec.seed, "ytf pairs", fold))
        pairs = [(pair, 1) for pair in same] + [(pair, 0) for pair in different]
        for number, (pair, label) in enumerate(pairs, start=1):
            a, b = (f"{name_of('ytf', item.identity)}/{item.number}" for item in pair)
            lines.append(f"{fold + 1}, {number}, {a}, {b}, {label}")
    return "".join(f"{line}\r\n" for line in lines)


def _cfp_texts(spec: SyntheticSpec) -> dict[str, str]:
    people, counts = spec.cfp_identities, {"frontal": spec.cfp_frontal, "profile": spec.cfp_profile}
    result = {"Data/list_name.txt": "".join(name_of("cfp", i).replace("_", " ") + "\n" for i in range(people))}
    for regime, count in counts.items():
        paths = [f"{who + 1:03d}/{regime}/{n + 1:02d}.jpg" for who in range(people) for n in range(count)]
        lines = [f"{index} ../Data/Images/{path}\n" for index, path in enumerate(paths, start=1)]
        result[f"Protocol/Pair_list_{regime[0].upper()}.txt"] = "".join(lines)
    frontal, profile = counts.values()
    for fold in range(spec.folds):
        who = _members(spec, people, fold)
        rng = stream(spec.seed, "cfp pairs", fold)
        pairs = {
            ("FF", frontal): alike(who, frontal, spec.cfp_pairs, rng),
            ("FP", profile): across(who, frontal, profile, spec.cfp_pairs, rng),
        }
        for (protocol, right), (same, different) in pairs.items():
            for kind, drawn in (("same", same), ("diff", different)):
                lines = [
                    f"{a.identity * frontal + a.number + 1},{b.identity * right + b.number + 1}\n" for a, b in drawn
                ]
                result[f"Protocol/Split/{protocol}/{fold + 1:02d}/{kind}.txt"] = "".join(lines)
    return result


def _write_images(folder: Path, spec: SyntheticSpec, progress: Progress | None) -> None:
    waiting, done = files(spec), 0
    under_way: deque[Future[int]] = deque()
    with ThreadPoolExecutor(WORKERS) as pool:
        # Only a few blocks are queued at a time: the shots of a large training set need not fit in memory.
        while True:
            while len(under_way) < 2 * WORKERS and (block := list(islice(waiting, CHUNK))):
                under_way.append(pool.submit(_write_block, folder, block, spec.pixels))
            if not under_way:
                return
            done += under_way.popleft().result()
            if progress is not None:
                progress(done, spec.images)


def _write_block(folder: Path, block: list[File], pixels: int) -> int:
    images = render([shot for _, shot in block], pixels)
    for (path, _), image in zip(block, images, strict=True):
        target = folder / PurePosixPath(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(target, "JPEG", **JPEG)
    return len(block)


def _reach_disk() -> None:
    """One flush for all, where the system has it: syncing thousands of small files one by one outlasts drawing them."""
    if hasattr(os, "sync"):
        os.sync()


def _write_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())
