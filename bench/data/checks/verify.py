"""A source or protocol checked completely: its images, its labels, its pairs, its folds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.catalog.facts import expected_counts
from bench.data.checks.examine import Examined, examine
from bench.data.checks.findings import Finding, finding, told
from bench.data.checks.inspect import alike
from bench.data.packed import Progress
from bench.data.types import Bool, ImageList, Int, Protocol


@dataclass(frozen=True)
class Verification:
    """What was checked. ``problems`` must find nothing; ``remarks`` tell what official lists hold as well."""

    problems: tuple[Finding, ...]
    remarks: tuple[Finding, ...]

    @property
    def sound(self) -> bool:
        return not any(found.count for found in self.problems)

    def record(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "sound": self.sound,
            "problems": [found.record() for found in self.problems],
            "remarks": [found.record() for found in self.remarks],
        }


def verify(found: ImageList | Protocol, *, progress: Progress | None = None) -> Verification:
    """Decodes every image and checks that labels, templates, pairs and folds are complete and agree.

    Readers refuse most of what is wrong in a list already, such as a pair that comes again; here nothing is taken on
    trust, whatever the reader. A few formats allow what others refuse (IJB repeats pairs): that is a remark.
    """
    if isinstance(found, ImageList):
        examined = examine(found, progress=progress)
        return Verification(
            (*_images(found, examined), *_named_again(found), *_labels(found)), (*_copies(found, examined),)
        )
    images, examined = found.images, examine(found.images, progress=progress)
    return Verification(
        (*_images(images, examined), *_labels(images), *_templates(found), *_pairs(found), *_folds(found)),
        (*_named_again(images), *_copies(images, examined), *_remarkable_pairs(found, examined)),
    )


def counts_told(facts: str, wrong: list[str]) -> Finding:
    """Counts that differ from a known data set's."""
    return told(f"counts that are not those of {facts}", len(expected_counts(facts)), wrong)


def _images(images: ImageList, examined: Examined) -> Iterator[Finding]:
    unreadable = [f"{images.files[row]} ({why})" for row, why in examined.problems.items()]
    yield told("images that are missing or do not decode", len(images.files), unreadable)


def _named_again(images: ImageList) -> Iterator[Finding]:
    _, first, count = np.unique(np.array(images.files, object), return_index=True, return_counts=True)
    again = sorted(first[count > 1].tolist())
    yield finding("images named more than once", len(images.files), again, (images.files[row] for row in again))


def _labels(images: ImageList) -> Iterator[Finding]:
    people, labels = len(images.identities), images.labels
    wrong = np.flatnonzero((labels < 0) | (labels >= people))
    yield finding(
        f"labels that are none of the {people:,} people",
        len(labels),
        wrong,
        (f"{images.files[row]}: label {labels[row]}" for row in wrong.tolist()),
    )
    alone = np.setdiff1d(np.arange(people), labels)
    yield finding("people without an image", people, alone, (images.identities[p] for p in alone.tolist()))
    names = np.array(images.identities, object)
    spelled, count = np.unique(names, return_counts=True)
    twice = [str(name) for name in spelled[count > 1]]
    yield told("names that several people have", people, twice)


def _templates(protocol: Protocol) -> Iterator[Finding]:
    names, of, labels = protocol.template_names, protocol.template, protocol.images.labels
    empty = np.setdiff1d(np.arange(len(names)), of)
    yield finding("templates without an image", len(names), empty, (names[t] for t in empty.tolist()))
    person = person_of_template(protocol)
    mixed = np.unique(of[person[of] != labels])
    yield finding("templates that show several people", len(names), mixed, (names[t] for t in mixed.tolist()))


def person_of_template(protocol: Protocol) -> Int:
    """(T,) the person of a template's last image; -1 for a template without one."""
    person = np.full(len(protocol.template_names), -1, np.int64)
    person[protocol.template] = protocol.images.labels
    return person


def _pairs(protocol: Protocol) -> Iterator[Finding]:
    pairs, count = protocol.pairs, len(protocol.same)
    first, second = person_of_template(protocol)[pairs].T
    wrong = np.flatnonzero((first == second) != protocol.same)
    yield finding(
        "pairs whose people are not what they are called",
        count,
        wrong,
        (f"{_pair(protocol, p)}, called {'genuine' if protocol.same[p] else 'impostor'}" for p in wrong.tolist()),
    )
    itself = np.flatnonzero(pairs[:, 0] == pairs[:, 1])
    yield finding("pairs of a template with itself", count, itself, (_pair(protocol, p) for p in itself.tolist()))
    missing = [
        kind for kind, there in (("genuine", protocol.same.any()), ("impostor", not protocol.same.all())) if not there
    ]
    yield told("kinds of pairs that are missing", 2, missing)


def _folds(protocol: Protocol) -> Iterator[Finding]:
    """A fold has as many genuine and as many impostor pairs as the others, or one more where they do not divide."""
    if protocol.fold is None:
        return
    folds = int(protocol.fold.max()) + 1
    counts = np.bincount(2 * protocol.fold + protocol.same, minlength=2 * folds).reshape(folds, 2)
    usual = np.median(counts, axis=0)
    odd = np.flatnonzero((np.abs(counts - usual) > 1).any(1) | (counts == 0).any(1))
    described = (
        f"fold {fold + 1}: {counts[fold, 1]:,} genuine and {counts[fold, 0]:,} impostor pairs, "
        f"the median is {usual[1]:,g} and {usual[0]:,g}"
        for fold in odd.tolist()
    )
    yield finding("folds out of balance", folds, odd, described)


def _copies(images: ImageList, examined: Examined) -> Iterator[Finding]:
    groups = examined.same_content()
    mixed = [rows for rows in groups if len(np.unique(images.labels[rows])) > 1]
    yield finding("files with the same bytes", len(images.files), groups, (alike(images, rows) for rows in groups))
    yield finding("of these, as several people", len(groups), mixed, (alike(images, rows) for rows in mixed))


def _remarkable_pairs(protocol: Protocol, examined: Examined) -> Iterator[Finding]:
    pairs, count = protocol.pairs, len(protocol.same)
    again = _repeated(pairs)
    yield finding("pairs that come again", count, again, (_pair(protocol, p) for p in again.tolist()))
    mirrored = np.setdiff1d(_repeated(np.sort(pairs, axis=1)), again)
    yield finding(
        "pairs that come again the other way round", count, mirrored, (_pair(protocol, p) for p in mirrored.tolist())
    )
    identical = _identical(protocol, examined)
    for kind, mask in (("genuine", protocol.same), ("impostor", ~protocol.same)):
        found = np.flatnonzero(identical & mask)
        described = (_pair(protocol, p) for p in found.tolist())
        yield finding(f"{kind} pairs of one picture", int(mask.sum()), found, described)
    if protocol.fold is not None and protocol.images.named:
        people = np.unique(
            np.column_stack([person_of_template(protocol)[pairs].ravel(), np.repeat(protocol.fold, 2)]), axis=0
        )
        person, folds = np.unique(people[:, 0], return_counts=True)
        shared = person[folds > 1]
        names = (protocol.images.identities[p] for p in shared.tolist())
        yield finding("people in several folds", len(person), shared, names)


def _identical(protocol: Protocol, examined: Examined) -> Bool:
    """(P,) whether both templates of a pair are one image each, with the same bytes."""
    images = np.bincount(protocol.template, minlength=len(protocol.template_names))
    only = np.zeros(len(images), np.int64)
    only[protocol.template] = np.arange(len(protocol.template))
    first, second = only[protocol.pairs].T
    same = (examined.content[first] == examined.content[second]).all(1) & examined.readable[first]
    return np.asarray(same & (images[protocol.pairs] == 1).all(1) & (first != second), np.bool_)


def _repeated(pairs: Int) -> Int:
    """The pairs that an earlier one equals."""
    _, first = np.unique(pairs[:, 0] * (pairs.max() + 1) + pairs[:, 1], return_index=True)
    return np.setdiff1d(np.arange(len(pairs)), first)


def _pair(protocol: Protocol, pair: int) -> str:
    first, second = protocol.pairs[pair].tolist()
    return f"pair {pair + 1}: {protocol.template_names[first]}, {protocol.template_names[second]}"
