"""YouTube Faces: verification of pairs of videos.

ROOT holds ``splits.txt`` and ``aligned_images_DB/NAME/VIDEO/*.jpg``.
"""

from __future__ import annotations

import re
from pathlib import Path

from bench.catalog import FORMATS, Option
from bench.data.formats._lists import (
    Pair,
    Template,
    folder_at,
    images_in,
    is_plain_name,
    lines_of,
    natural,
    protocol,
    refuse,
)
from bench.data.types import Protocol

EXPECTED = "'fold, pair, NAME/VIDEO, NAME/VIDEO, 1 or 0'"


@FORMATS.register(
    "ytf",
    summary="YouTube Faces: splits.txt and aligned_images_DB/NAME/VIDEO/*.jpg",
    source="Wolf, Hassner, Maoz: Face Recognition in Unconstrained Videos with Matched Background Similarity, 2011",
    options=(Option("frames", 0, "frames taken from each video, evenly spaced; 0: all", unit="frames", minimum=0),),
    provides="protocol",
)
def ytf(root: Path, *, frames: int = 0) -> Protocol:
    """Reads ROOT/splits.txt, with or without a header line; a template is a video, all of whose frames get pooled.

    Frames are sorted by the numbers in their names. ``frames`` > 0 takes the middles of that many equal stretches of
    the video (all frames of a shorter one). Raises DataError with file and line for what is malformed or missing.
    """
    folder_at(root, "YTF: splits.txt and aligned_images_DB/")
    listing = root / "splits.txt"
    lines = lines_of(listing)
    if lines and not lines[0][1][0].isdigit():
        lines = lines[1:]
    numbered, problems = [], []
    for number, line in lines:
        parsed = _parse(line)
        if parsed is None:
            problems.append(f"splits.txt:{number}: found {line!r}, expected {EXPECTED}")
        else:
            numbered.append(Pair(f"splits.txt:{number}", *parsed))
    folds = sorted({pair.fold for pair in numbered})
    if folds != list(range(len(folds))):
        problems.append(f"folds must be numbered 1, 2, …, found {', '.join(str(f + 1) for f in folds)}")
    refuse(listing, problems)
    images = folder_at(root / "aligned_images_DB", "the frames of YTF's videos")
    templates, missing = {}, []
    for video in sorted({name for pair in numbered for name in (pair.first, pair.second)}, key=natural):
        found, others = images_in(images / video) if (images / video).is_dir() else ([], [])
        missing += [f"{images / video / other} is not an image" for other in others]
        if not found:
            missing.append(f"names a missing video: no frames in {images / video}")
        chosen = spread(sorted(found, key=natural), frames)
        templates[video] = Template(video.split("/")[0], [f"{video}/{frame}" for frame in chosen])
    refuse(listing, missing)
    return protocol("ytf", images, listing, numbered, templates)


def spread(frames: list[str], count: int) -> list[str]:
    """The middles of ``count`` equal stretches of the list; all of it where ``count`` is 0 or not below its length."""
    if not 0 < count < len(frames):
        return frames
    return [frames[(2 * i + 1) * len(frames) // (2 * count)] for i in range(count)]


def _parse(line: str) -> tuple[int, str, str, bool] | None:
    """(fold from 0, first video, second video, genuine), or None for a malformed line."""
    fields = re.split(r"\s*,\s*|\s+", line)
    if len(fields) != 5 or not all(f.isascii() and f.isdigit() for f in (*fields[:2], fields[4])):
        return None
    fold, _, first, second, same = fields
    videos = [*first.split("/"), *second.split("/")]
    well_named = first.count("/") == second.count("/") == 1 and all(map(is_plain_name, videos))
    if not well_named or int(fold) == 0 or same not in ("0", "1"):
        return None
    return int(fold) - 1, first, second, same == "1"
