"""IJB-B and IJB-C, 1:1 mixed verification, in the files that InsightFace distributes.

ROOT holds ``meta/ijbc_face_tid_mid.txt`` (``IMAGE TEMPLATE MEDIUM`` a line), ``meta/ijbc_template_pair_label.txt``
(``TEMPLATE TEMPLATE LABEL``), perhaps ``meta/ijbc_name_5pts_score.txt`` (``IMAGE x1 y1 … x5 y5 SCORE``, in the same
order), and a folder of images.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bench.catalog import FORMATS, Option
from bench.data.formats._files import ListedFiles
from bench.data.formats._lists import Problems, below, each_line, folder_at, is_number, quoted, safe_path
from bench.data.formats._numbers import number_blocks
from bench.data.formats._protocols import contradiction, people_by_pairs
from bench.data.types import Bool, ImageList, Int, Protocol

LOOSE = "loose_crop"
MADE = "faces aligned to 112×112; `bench data align` makes them from loose_crop and the points in meta/"


def _nobody(root: Path, **options: object) -> tuple[str, ...]:
    """The files name no people."""
    return ()


@FORMATS.register(
    "ijb",
    summary="IJB-B, IJB-C: templates of images and video frames, meta/ as InsightFace distributes it",
    source="Whitelam et al.: IARPA Janus Benchmark-B, 2017; Maze et al.: IARPA Janus Benchmark-C, 2018",
    options=(
        Option("set", "ijbc", "which of the two", choices=("ijbb", "ijbc")),
        Option("images", "aligned", f"folder below the path with the images: {MADE}; {LOOSE}: the faces unaligned"),
    ),
    provides="protocol",
    people=_nobody,
)
def ijb(root: Path, *, set: str = "ijbc", images: str = "aligned") -> Protocol:
    """Reads the templates and their pairs; there are no folds.

    A template is a set of images of one person; those with the same medium are frames of one video (``media``). A row
    of images is an (image, template), in the list's order. People are made up from the genuine pairs, so images are
    not ``named``. A pair that is listed twice counts twice, as it does in the official evaluation. Raises DataError
    with file and line for what is malformed, missing or contradicts itself.
    """
    meta = folder_at(folder_at(root, "IJB: meta/ and the images") / "meta", "IJB's lists")
    listing = meta / f"{set}_face_tid_mid.txt"
    files, numbers = _images(listing)
    points = meta / f"{set}_name_5pts_score.txt"
    if points.exists():
        _check_order(points, files)
    image_root = below(root, "images", images)
    _check_images(listing, files, folder_at(image_root, MADE))
    tids, template = np.unique(numbers[:, 0], return_inverse=True)
    pairs, same = _pairs(meta / f"{set}_template_pair_label.txt", tids)
    person = people_by_pairs(len(tids), pairs[same])
    _check_people(meta / f"{set}_template_pair_label.txt", tids, pairs, same, person)
    labels = person[template]
    people = tuple(map(str, range(int(labels.max()) + 1)))
    return Protocol(
        name=set,
        images=ImageList(image_root, files, labels, people, named=False),
        template=np.asarray(template, np.int64),
        template_names=tuple(map(str, tids.tolist())),
        pairs=pairs,
        same=same,
        fold=None,
        media=numbers[:, 1].copy(),
    )


def _images(listing: Path) -> tuple[tuple[str, ...], Int]:
    """Image paths, and (N, 2) template and medium. Each image comes once in a template."""
    seen: dict[tuple[str, int], int] = {}
    media = []
    problems = Problems(listing)
    for number, line in each_line(listing):
        fields = line.split()
        path = safe_path(fields[0])
        if len(fields) != 3 or path is None or not (is_number(fields[1]) and is_number(fields[2])):
            problems.add(f"{listing.name}:{number}: found {quoted(line)}, expected 'IMAGE TEMPLATE MEDIUM'")
        elif (path, int(fields[1])) in seen:
            at = seen[path, int(fields[1])]
            problems.add(f"{listing.name}:{number}: {path} is already in template {fields[1]} at {listing.name}:{at}")
        else:
            seen[path, int(fields[1])] = number
            media.append(int(fields[2]))
    if not seen and problems.count == 0:
        problems.add("lists no image")
    problems.refuse()
    numbers = np.stack([np.array([tid for _, tid in seen], np.int64), np.array(media, np.int64)], axis=1)
    return tuple(path for path, _ in seen), numbers


def _check_order(points: Path, files: tuple[str, ...]) -> None:
    """The points are matched to images by their order elsewhere, so the two lists must agree."""
    problems, names = Problems(points), [(number, line.split()[0]) for number, line in each_line(points)]
    if len(names) != len(files):
        problems.add(f"has {len(names)} lines, the images' list {len(files)}")
    for (number, name), file in zip(names, files, strict=False):
        if safe_path(name) != file:
            problems.add(f"{points.name}:{number}: names {quoted(name)}, the images' list {file} there")
    problems.refuse()


def _check_images(listing: Path, files: tuple[str, ...], image_root: Path) -> None:
    on_disk, problems = ListedFiles(image_root), Problems(listing)
    problems.extend(wrong for file in dict.fromkeys(files) if (wrong := on_disk.problem(file)) is not None)
    problems.refuse()


def _pairs(listing: Path, tids: Int) -> tuple[Int, Bool]:
    """(P, 2) indices into ``tids`` and (P,) whether genuine; block by block, since there are millions."""
    problems = Problems(listing)
    blocks: list[tuple[np.ndarray[tuple[int, ...], np.dtype[np.int32]], Bool]] = []
    for lines, values in number_blocks(listing, 3, problems, "'TEMPLATE TEMPLATE LABEL'"):
        place = np.minimum(np.searchsorted(tids, values[:, :2]), len(tids) - 1)
        unknown = (tids[place] != values[:, :2]).any(axis=1)
        alone, no_label = values[:, 0] == values[:, 1], values[:, 2] > 1
        wrong = np.flatnonzero(unknown | alone | no_label)
        problems.add_all(wrong, _described(listing, lines[wrong], values[wrong], unknown[wrong], alone[wrong]))
        blocks.append((place.astype(np.int32), values[:, 2] == 1))
    if not blocks and problems.count == 0:
        problems.add("holds no pairs")
    problems.refuse()
    pairs = np.empty((sum(len(same) for _, same in blocks), 2), np.int64)
    np.concatenate([place for place, _ in blocks], out=pairs)
    same = np.concatenate([same for _, same in blocks])
    if same.all() or not same.any():
        problems.add(f"needs genuine and impostor pairs, found {int(same.sum())} and {int((~same).sum())}")
    problems.refuse()
    return pairs, same


def _described(listing: Path, lines: Int, values: Int, unknown: Bool, alone: Bool) -> Iterator[str]:
    for line, (first, second, label), strange, itself in zip(
        lines.tolist(), values.tolist(), unknown, alone, strict=True
    ):
        where = f"{listing.name}:{line}"
        if strange:
            yield f"{where}: template {first} or {second} has no image"
        elif itself:
            yield f"{where}: template {first} is compared with itself"
        else:
            yield f"{where}: found label {label}, expected 1 (genuine) or 0 (impostor)"


def _check_people(listing: Path, tids: Int, pairs: Int, same: Bool, person: Int) -> None:
    """An impostor pair may not lie within a person whom the genuine pairs make."""
    short = person.astype(np.int32)
    wrong = np.flatnonzero((short[pairs[:, 0]] == short[pairs[:, 1]]) & ~same)
    ends = tids[pairs[wrong]].astype(str)
    problems = Problems(listing)
    problems.add_all(
        wrong,
        (
            f"{listing.name}:{p + 1}: {contradiction(a, b, False, named=False)}"
            for p, (a, b) in zip(wrong.tolist(), ends.tolist(), strict=True)
        ),
    )
    problems.refuse()
