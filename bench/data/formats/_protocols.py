"""Pairs and templates that a reader found, put together into a protocol."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from bench.data.formats._lists import Problems, natural, refuse
from bench.data.types import Bool, ImageList, Int, Protocol
from bench.errors import SHOWN

Folds = Literal["equal", "any", "none"]


class Pair(NamedTuple):
    """One comparison as a list file states it: ``first`` and ``second`` are template names, ``fold`` counts from 0."""

    where: str
    fold: int
    first: str
    second: str
    same: bool


@dataclass(frozen=True)
class Template:
    """What gets one embedding: a person's image, or the frames of a video; ``files`` are relative to the root."""

    person: str
    files: Sequence[str]


def labelled(root: Path, files: Sequence[str], people: Sequence[str], *, named: bool = True) -> ImageList:
    """An ImageList whose identities are the people that occur, sorted, numbers as numbers where nobody is named."""
    identities = tuple(sorted(set(people), key=None if named else natural))
    index = {person: i for i, person in enumerate(identities)}
    return ImageList(root, tuple(files), np.array([index[p] for p in people], np.int64), identities, named=named)


def protocol(
    name: str,
    root: Path,
    source: Path,
    pairs: Sequence[Pair],
    templates: Mapping[str, Template],
    *,
    folds: Folds = "equal",
    mirrored: bool = False,
    repeated: bool = False,
    named: bool = True,
) -> Protocol:
    """Puts pairs and templates (sorted by name, numbers as numbers) together.

    ``folds``: all of one size, of any size, or none (the pairs' fold is not looked at). ``named`` is False where the
    templates' persons are made up. Raises DataError where there are no pairs, a template is paired with itself, a pair
    comes twice (``mirrored`` allows ``b, a`` beside ``a, b``; ``repeated`` allows it), a pair's kind contradicts its
    people, folds differ in size, or genuine or impostor pairs are missing in a fold.
    """
    if not pairs:
        refuse(source, ["holds no pairs"])
    names = sorted(templates, key=natural)
    number = {template: t for t, template in enumerate(names)}
    ends = np.array([(number[p.first], number[p.second]) for p in pairs], np.int64)
    same = np.array([p.same for p in pairs], np.bool_)
    fold = None if folds == "none" else np.array([p.fold for p in pairs], np.int64)
    files = [file for t in names for file in templates[t].files]
    images = labelled(root, files, [templates[t].person for t in names for _ in templates[t].files], named=named)
    template = np.repeat(np.arange(len(names), dtype=np.int64), [len(templates[t].files) for t in names])
    person = np.empty(len(names), np.int64)
    person[template] = images.labels

    problems = Problems(source)
    earlier = None if repeated else _earlier(ends, len(names), mirrored)
    _check_pairs(problems, pairs, ends, same, person, earlier, named)
    if fold is None:
        _check_kinds(problems, "the list", same)
    else:
        _check_folds(problems, fold, same, equal=folds == "equal")
    problems.refuse()
    return Protocol(name, images, template, tuple(names), ends, same, fold)


def _earlier(ends: Int, templates: int, mirrored: bool) -> Int:
    """(P,) the first pair that compares the same two templates; a pair's own number where there is none before."""
    ordered = ends if mirrored else np.sort(ends, axis=1)
    _, first, inverse = np.unique(ordered[:, 0] * templates + ordered[:, 1], return_index=True, return_inverse=True)
    return np.asarray(first[inverse], np.int64)


def _check_pairs(
    problems: Problems, pairs: Sequence[Pair], ends: Int, same: Bool, person: Int, earlier: Int | None, named: bool
) -> None:
    alone = ends[:, 0] == ends[:, 1]
    again = np.zeros(len(pairs), np.bool_) if earlier is None else (earlier != np.arange(len(pairs))) & ~alone
    wrong_kind = (person[ends[:, 0]] == person[ends[:, 1]]) != same

    def described() -> Iterator[str]:
        for p in np.flatnonzero(alone | again | wrong_kind).tolist():
            pair = pairs[p]
            if alone[p]:
                yield f"{pair.where}: {pair.first} is compared with itself"
            if again[p] and earlier is not None:
                yield f"{pair.where}: {pair.first} and {pair.second} are already compared at {pairs[earlier[p]].where}"
            if wrong_kind[p]:
                yield f"{pair.where}: {contradiction(pair.first, pair.second, pair.same, named=named)}"

    problems.add_all(range(int(alone.sum() + again.sum() + wrong_kind.sum())), described())


def contradiction(first: str, second: str, same: bool, *, named: bool) -> str:
    """What is wrong with a pair whose kind is not what its people say."""
    if not named:
        return f"a pair called impostor is one person by the genuine pairs: {first}, {second}"
    kind, people = ("genuine", "two people") if same else ("impostor", "one person")
    return f"a pair called {kind} shows {people}: {first}, {second}"


def _check_folds(problems: Problems, fold: Int, same: Bool, *, equal: bool) -> None:
    folds = int(fold.max()) + 1
    counts = np.bincount(2 * fold + same, minlength=2 * folds).reshape(folds, 2).tolist()
    (usual, _), *_ = Counter(map(tuple, counts)).most_common(1)
    for number, (impostor, genuine) in enumerate(counts, start=1):
        if equal and (impostor, genuine) != usual:
            problems.add(
                f"fold {number} of {folds} has {genuine} genuine and {impostor} impostor pairs, "
                f"the others {usual[1]} and {usual[0]}"
            )
        elif not (genuine and impostor):
            _check_kinds(problems, f"fold {number} of {folds}", same[fold == number - 1])


def _check_kinds(problems: Problems, what: str, same: Bool) -> None:
    genuine, impostor = int(same.sum()), int((~same).sum())
    if not (genuine and impostor):
        problems.add(f"{what} needs genuine and impostor pairs, found {genuine} and {impostor}")


def numbered_from_one(problems: Problems, folds: Iterable[int]) -> None:
    """Adds a problem unless the folds (from 0) leave none out."""
    found = sorted(set(folds))
    if found != list(range(len(found))):
        shown = [str(fold + 1) for fold in found[:SHOWN]] + ["…"] * (len(found) > SHOWN)
        problems.add(f"folds must be numbered 1, 2, …, found {', '.join(shown)}")


def people_by_pairs(templates: int, genuine: npt.NDArray[np.integer]) -> Int:
    """(T,) numbers from 0 of the people that genuine pairs (G, 2) make: who is linked, directly or through others."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    links = coo_array((np.ones(len(genuine), np.bool_), (genuine[:, 0], genuine[:, 1])), shape=(templates, templates))
    _, person = connected_components(links, directed=False)
    return np.asarray(person, np.int64)
