"""What a path is: which readers take it, how many images of whom it holds, and what is suspicious about them."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bench.catalog import FORMATS
from bench.data.checks.examine import Examined, examine, sample_rows
from bench.data.checks.findings import Finding, equal, finding, told
from bench.data.checks.sniff import Looks, sniff
from bench.data.formats._lists import IMAGE_SUFFIXES, printable
from bench.data.formats._protocols import labelled
from bench.data.names import normalise
from bench.data.packed import Progress
from bench.data.source import images_of, read
from bench.data.tree import tree
from bench.data.types import Bool, ImageList, Int, Protocol
from bench.errors import DataError

# Sizes are called odd where nearly all images have one size.
USUAL = 0.9
SMALL = 32
SIZES_SHOWN = 5
# The identities of loose images.
NOBODY = ("",)


@dataclass(frozen=True)
class Reading:
    """Whether a format's reader takes a path, with its default options; what it found there, or why not.

    ``expected``: the path looks like what the format is made for.
    """

    format: str
    takes: bool
    note: str
    expected: bool


@dataclass(frozen=True)
class Inspection:
    """What was found at a path. ``counts``: in the order in which they are best read; see ``record`` for JSON."""

    path: str
    looks_like: str
    readings: tuple[Reading, ...]
    analysed_as: str | None = None
    counts: dict[str, Any] = field(default_factory=dict)
    suspicious: tuple[Finding, ...] = ()

    def record(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "path": self.path,
            "looks_like": self.looks_like,
            "readers": [vars(reading) for reading in self.readings],
            "analysed_as": self.analysed_as,
            **self.counts,
            "suspicious": [found.record() for found in self.suspicious],
        }


def inspect(path: Path, *, sample: int | None = None, progress: Progress | None = None) -> Inspection:
    """Says what a path is. Reads names, lists and images; runs nothing from them, and changes nothing.

    Every reader is asked whether it takes the path. Analysed are the images of the first that does, training sets
    before protocols, since they hold all images; where none does, all images below the folder. ``sample`` looks into
    no more than so many images, spread evenly over the list. Raises DataError for a path that is missing or unreadable.
    """
    try:
        looks = sniff(path)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from None
    readings, taken = _readings(path, looks)
    found = min(taken.items(), key=lambda item: isinstance(item[1], Protocol), default=None)
    suspicious: list[Finding] = []
    analysed_as, source = found or ("loose images", _loose(path, suspicious))
    images = images_of(source)
    shown = printable(str(path))
    if not images.files:
        return Inspection(shown, looks.what, readings, suspicious=_those_found(suspicious))
    examined = examine(images, rows=sample_rows(images, sample), progress=progress)
    suspicious += [*_about_images(images, examined), *_about_people(images)]
    counts = _counts(source) | _sizes(examined)
    return Inspection(shown, looks.what, readings, analysed_as, counts, _those_found(suspicious))


def _those_found(findings: list[Finding]) -> tuple[Finding, ...]:
    return tuple(found for found in findings if found.count)


def _readings(path: Path, looks: Looks) -> tuple[tuple[Reading, ...], dict[str, ImageList | Protocol]]:
    """What each reader says, those made for such a path first."""
    readings, taken = [], {}
    likely = [name for name in looks.formats if name in FORMATS]
    for name in [*likely, *(name for name in FORMATS.names() if looks.text and name not in likely)]:
        try:
            taken[name] = read(FORMATS.get(name), path)
            readings.append(Reading(name, True, _summary(taken[name]), name in likely))
        except DataError as error:
            first, *rest = (printable(line.strip()) for line in str(error).split("\n"))
            readings.append(Reading(name, False, " ".join([first, "; ".join(rest)]).strip(), name in likely))
    return tuple(readings), taken


def _summary(found: ImageList | Protocol) -> str:
    counts = _counts(found)
    return ", ".join(f"{counts[key]:,} {key}" for key in ("pairs", "images", "identities") if key in counts)


def _counts(found: ImageList | Protocol) -> dict[str, Any]:
    images = images_of(found)
    counts: dict[str, Any] = {"images": len(images.files)}
    if images.identities == NOBODY:
        return counts
    counts["identities"] = len(images.identities)
    each = np.bincount(images.labels, minlength=len(images.identities))
    least, most = int(each.min()), int(each.max())
    counts["images_per_identity"] = {"least": least, "median": float(np.median(each)), "most": most}
    if isinstance(found, Protocol):
        counts |= {"templates": len(found.template_names), "pairs": len(found.same), "genuine": int(found.same.sum())}
        counts |= {"folds": len(np.unique(found.fold))} if found.fold is not None else {}
    return counts


def _loose(path: Path, suspicious: list[Finding]) -> ImageList:
    """All images at or below a path. Where each lies in a sub-folder of its own level, that is taken for the person."""
    if not path.is_dir():
        names = (path.name,) if path.is_file() and path.name.lower().endswith(IMAGE_SUFFIXES) else ()
        return labelled(path.parent, names, ["" for _ in names], named=False)
    found = tree(path)
    suspicious.append(told("not searched", len(found.problems), found.problems))
    flat = all(name.count("/") == 1 for name in found.images)
    return labelled(path, found.images, [name.partition("/")[0] if flat else "" for name in found.images], named=flat)


def _sizes(examined: Examined) -> dict[str, Any]:
    sizes = Counter(map(tuple, examined.size[examined.readable].tolist()))
    return {
        "looked_into": len(examined.rows),
        "readable": int(examined.readable.sum()),
        "bytes": examined.bytes,
        "encodings": dict(examined.encodings.most_common()),
        "sizes": {f"{width}x{height}": count for (width, height), count in sizes.most_common(SIZES_SHOWN)},
        "different_sizes": len(sizes),
    }


def _about_images(images: ImageList, examined: Examined) -> list[Finding]:
    def named(mask: Bool) -> list[str]:
        return [images.files[row] for row in examined.rows[mask].tolist()]

    total, good = len(examined.rows), examined.readable
    unreadable = [f"{images.files[row]} ({why})" for row, why in examined.problems.items()]
    sizes, inverse, count = np.unique(examined.size[good], axis=0, return_inverse=True, return_counts=True)
    usual = len(count) > 1 and count.max() >= USUAL * count.sum()
    odd = np.zeros(total, np.bool_)
    odd[np.flatnonzero(good)[inverse.ravel() != count.argmax()] if usual else []] = True
    usual_size = "x".join(map(str, sizes[count.argmax()].tolist())) if usual else ""
    small = good & (examined.size.min(1) < SMALL)
    groups = examined.same_content()
    mixed = [rows for rows in groups if len(np.unique(images.labels[rows])) > 1]
    return [
        told("unreadable", total, unreadable),
        told("grey-scale", total, named(examined.grey)),
        told(f"not {usual_size} as the others", total, named(odd)),
        told(f"a side below {SMALL} pixels", total, named(small)),
        finding("the same bytes more than once", total, groups, (alike(images, rows) for rows in groups)),
        finding("the same bytes as several people", total, mixed, (alike(images, rows) for rows in mixed)),
    ]


def alike(images: ImageList, rows: Int) -> str:
    return equal([images.files[row] for row in rows.tolist()])


def _about_people(images: ImageList) -> list[Finding]:
    people = len(images.identities)
    if images.identities == NOBODY:
        return []
    each = np.bincount(images.labels, minlength=people)
    alone = [images.identities[person] for person in np.flatnonzero(each == 1)]
    spelled = defaultdict(list)
    for name in images.identities if images.named else ():
        spelled[normalise(name)].append(name)
    same = [equal(names) for letters, names in spelled.items() if letters and len(names) > 1]
    return [
        told("people with one image", people, alone),
        told("different people whose names have the same letters", people, same),
    ]
