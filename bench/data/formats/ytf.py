"""YouTube Faces: verification of pairs of videos.

ROOT holds ``splits.txt`` and ``aligned_images_DB/NAME/VIDEO/*.jpg``.
"""

from __future__ import annotations

import re
from pathlib import Path

from bench.catalog import FORMATS, Option
from bench.data.formats._files import folders_in, images_in, is_folder
from bench.data.formats._lists import Problems, folder_at, is_number, is_plain_name, lines_of, natural, quoted, refuse
from bench.data.formats._protocols import Pair, Template, numbered_from_one, protocol
from bench.data.types import Protocol

EXPECTED = "'fold, pair, NAME/VIDEO, NAME/VIDEO, 1 or 0'"


def _everybody(root: Path, *, frames: int = 0) -> tuple[str, ...]:
    """The people of the splits, and of the frames where these are there."""
    named = {video.split("/")[0] for pair in _read(root) for video in (pair.first, pair.second)}
    images = root / "aligned_images_DB"
    return tuple(sorted(named.union(folders_in(images) if images.is_dir() else ())))


def _census(root: Path) -> dict[str, int]:
    images = folder_at(root / "aligned_images_DB", "the frames of YTF's videos")
    people = folders_in(images)
    return {"videos": sum(len(folders_in(images / person)) for person in people), "identities": len(people)}


@FORMATS.register(
    "ytf",
    summary="YouTube Faces: splits.txt and aligned_images_DB/NAME/VIDEO/*.jpg",
    source="Wolf, Hassner, Maoz: Face Recognition in Unconstrained Videos with Matched Background Similarity, 2011",
    options=(Option("frames", 0, "frames taken from each video, evenly spaced; 0: all", unit="frames", minimum=0),),
    provides="protocol",
    people=_everybody,
    census=_census,
)
def ytf(root: Path, *, frames: int = 0) -> Protocol:
    """Reads ROOT/splits.txt, with or without a header line; a template is a video, all of whose frames get pooled.

    Frames are sorted by the numbers in their names. ``frames`` > 0 takes the middles of that many equal stretches of
    the video (all frames of a shorter one), which changes the score, so the protocol is then called
    ``ytf_N_frames``. Raises DataError with file and line for what is malformed or missing.
    """
    listing = root / "splits.txt"
    pairs = _read(root)
    images = folder_at(root / "aligned_images_DB", "the frames of YTF's videos")
    templates, problems = {}, Problems(listing)
    for video in sorted({name for pair in pairs for name in (pair.first, pair.second)}, key=natural):
        found, others = images_in(images / video) if is_folder(images / video) else ([], [])
        problems.extend(f"{images / video}/{other}" for other in others)
        if not found:
            problems.add(f"names a missing video: no frames in {images / video}")
        chosen = spread(sorted(found, key=natural), frames)
        templates[video] = Template(video.split("/")[0], [f"{video}/{frame}" for frame in chosen])
    problems.refuse()
    return protocol(f"ytf_{frames}_frames" if frames else "ytf", images, listing, pairs, templates)


def spread(frames: list[str], count: int) -> list[str]:
    """The middles of ``count`` equal stretches of the list; all of it where ``count`` is 0 or not below its length."""
    if not 0 < count < len(frames):
        return frames
    return [frames[(2 * i + 1) * len(frames) // (2 * count)] for i in range(count)]


def _read(root: Path) -> list[Pair]:
    folder_at(root, "YTF: splits.txt and aligned_images_DB/")
    listing = root / "splits.txt"
    lines = lines_of(listing)
    if not lines:
        refuse(listing, ["holds no pairs"])
    # The official list begins with its columns' names: "split number, pair number in split, first name, …".
    if lines[0][1].lower().startswith("split"):
        lines = lines[1:]
    pairs, problems = [], Problems(listing)
    for number, line in lines:
        parsed = _parse(line)
        if parsed is None:
            problems.add(f"splits.txt:{number}: found {quoted(line)}, expected {EXPECTED}")
        else:
            pairs.append(Pair(f"splits.txt:{number}", *parsed))
    numbered_from_one(problems, (pair.fold for pair in pairs))
    problems.refuse()
    return pairs


def _parse(line: str) -> tuple[int, str, str, bool] | None:
    """(fold from 0, first video, second video, genuine), or None for a malformed line."""
    fields = re.split(r"\s*,\s*|\s+", line)
    if len(fields) != 5 or not all(map(is_number, (*fields[:2], fields[4]))):
        return None
    fold, _, first, second, same = fields
    videos = [*first.split("/"), *second.split("/")]
    well_named = first.count("/") == second.count("/") == 1 and all(map(is_plain_name, videos))
    if not well_named or int(fold) == 0 or same not in ("0", "1"):
        return None
    return int(fold) - 1, first, second, same == "1"
