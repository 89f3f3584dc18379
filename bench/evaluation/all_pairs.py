"""Every template of a test set against every other: TAR at FARs that no list of a few thousand pairs can measure.

Rows are sorted by identity, so that the later rows of a row's own person end at one place and all beyond are
impostors. Products are made a tile at a time, and only the counts of scores that can still matter are kept. The scores
are exact (`cosines`), hence so are the counts, whatever the tile and the device.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from bench.evaluation.bootstrap import Interval
from bench.evaluation.cosines import PRODUCT_UNIT, STEPS, check_templates, on_device, steps, whole_rows
from bench.evaluation.pairs import Int
from bench.evaluation.rates import Far, exact_rate, rate_text
from bench.evaluation.repeated import people_intervals, rates_when_repeated
from bench.evaluation.verification import TarAtFar

if TYPE_CHECKING:
    import torch

TILE = 2048  # rows and columns of a product: 32 MB
KEPT = 2**23  # pairs of a kind that the intervals keep at most
_TIMES, _SPARE = 8, 2**12  # impostors kept for a need of k: so many times k, and a spare, as replicates weigh a few
_ALL = 2 * STEPS + 1  # every score is fewer steps than this below a score of 1
_BLOCKS, _BLOCK = 2**13 + 1, 2**12  # one count for each of the 2·STEPS + 1 scores, in blocks that are quick to add up
_REFRESH = 2**20  # counted scores after which raising the floor pays


@dataclass(frozen=True)
class AllPairs:
    """``genuine`` and ``impostor`` pairs, i < j, of ``templates`` of ``people``; a rate for each FAR, in order.

    A rate is None where far < 1/impostor, and where there is no genuine or no impostor pair: not measurable.
    """

    templates: int
    people: int
    genuine: int
    impostor: int
    tar_at_far: tuple[TarAtFar, ...]

    def metrics(self) -> dict[str, float | None]:
        return {_name(point.far): point.tar for point in self.tar_at_far}

    def facts(self) -> dict[str, int]:
        return {
            "all_pairs_templates": self.templates,
            "all_pairs_people": self.people,
            "all_pairs_genuine": self.genuine,
            "all_pairs_impostor": self.impostor,
        }


def _name(far: str) -> str:
    return f"all_pairs_tar_at_far_{far}"


def all_pairs(
    embeddings: npt.ArrayLike,
    identity: npt.ArrayLike,
    *,
    fars: Iterable[Far],
    device: str | torch.device = "cpu",
    tile: int = TILE,
) -> AllPairs:
    """TAR at FAR, by the rule of `verification.tar_at_far`, over all pairs of templates; each product is made once.

    ``embeddings``: (T, d) of any length > 0, they are normalised here; ``identity``: (T,) integers, equal means
    genuine. Memory beyond the input: 4·T·d bytes for the rows, 0.3 GB for the counts and a few tiles. ``tile`` and
    ``device`` (cpu, cuda) change no bit of the result. Raises DataError for embeddings that are zero or not finite
    and for a rate outside (0, 1), DeviceError for a device that is absent.
    """
    rates = [exact_rate(far) for far in fars]
    pairs = _Pairs(embeddings, identity, device, tile)
    allowed = [int(rate * pairs.impostor) for rate in rates]
    measurable = sorted({k for k in allowed if k and pairs.genuine})
    limits: dict[int, int] = {}
    if measurable:
        refused = [k + 1 for k in measurable]
        limits = dict(zip(measurable, _Top(refused[-1], pairs).ranked(refused), strict=True))
    accepted = _accepted(pairs, limits)
    points = []
    for rate, k in zip(rates, allowed, strict=True):
        tar, threshold = accepted.get(k, (None, None))
        points.append(TarAtFar(rate_text(rate), tar, threshold, k))
    return AllPairs(len(pairs.person), len(pairs.sizes), pairs.genuine, pairs.impostor, tuple(points))


def _accepted(pairs: _Pairs, limits: dict[int, int]) -> dict[int, tuple[float, float]]:
    """For each limit, in steps below a score of 1: the share of genuine pairs above it, and the lowest such score."""
    counts, lowest = dict.fromkeys(limits, 0), dict.fromkeys(limits, -1)
    bound = _product_above(max(limits.values(), default=0))
    for _, _, product in pairs.tiles(genuine=True) if limits else ():
        found = _steps_below_one(product, _places(product, bound))
        for k, limit in limits.items():
            above = found[found < limit]
            counts[k] += len(above)
            lowest[k] = max(lowest[k], int(above.max()) if len(above) else -1)
    return {k: (counts[k] / pairs.genuine, (STEPS - lowest[k]) / STEPS if counts[k] else float("inf")) for k in limits}


def all_pairs_intervals(
    embeddings: npt.ArrayLike,
    identity: npt.ArrayLike,
    *,
    fars: Iterable[Far],
    seed: int,
    replicates: int = 1000,
    level: float = 0.95,
    device: str | torch.device = "cpu",
    tile: int = TILE,
) -> dict[str, Interval]:
    """Percentile intervals of `all_pairs`' metrics, by name, when people are drawn with replacement.

    Drawn w_a times, person a's genuine pairs count w_a times each, and the impostor pairs of a and b w_a·w_b times
    (as `bootstrap.bootstrap_intervals`); each replicate has its own number of impostors and threshold.

    Of the impostors only the highest are kept: eight times as many as the largest FAR needs, and 4,096 more. A
    replicate is exact or, where its threshold lies below those, counted as undefined. A rate that is not measurable has
    no interval, and one of which eight times the impostors, or all genuine pairs, are more than ``KEPT``. Other
    arguments and errors as for `all_pairs`; DataError also for no replicates or a level outside (0, 1).
    """
    rates = [exact_rate(far) for far in fars]
    names = [_name(rate_text(rate)) for rate in rates]
    pairs = _Pairs(embeddings, identity, device, tile)
    needs = {name: _TIMES * int(rate * pairs.impostor) for name, rate in zip(names, rates, strict=True)}
    kept = {name: rate for name, rate in zip(names, rates, strict=True) if 0 < needs[name] <= KEPT}
    if not kept or not 0 < pairs.genuine <= KEPT:
        return {}
    impostor, first, second = pairs.highest_impostors(min(KEPT, _SPARE + max(needs[name] for name in kept)))
    genuine, person = pairs.all_genuine()
    ahead = np.searchsorted(genuine, impostor, side="left")
    own = pairs.sizes * (pairs.sizes - 1) // 2

    def rates_of(times: Int) -> list[float]:
        drawn = pairs.sizes * times
        # Σ over a < b of the products of the numbers of templates drawn.
        impostors = (int(drawn.sum()) ** 2 - int(np.square(drawn).sum())) // 2
        return rates_when_repeated(
            times[person], int(times @ own), ahead, times[first] * times[second], impostors, list(kept.values())
        )

    return people_intervals(rates_of, list(kept), len(pairs.sizes), replicates=replicates, seed=seed, level=level)


class _Pairs:
    """All pairs of the templates, sorted by identity; ``person`` (T,) numbers the people, ``sizes`` counts theirs."""

    def __init__(
        self, embeddings: npt.ArrayLike, identity: npt.ArrayLike, device: str | torch.device, tile: int
    ) -> None:
        given, labels = check_templates(embeddings, identity)
        order = np.argsort(labels, kind="stable")
        self.rows = on_device(whole_rows(given, order), device)
        _, self.person, self.sizes = np.unique(labels[order], return_inverse=True, return_counts=True)
        self.end = np.cumsum(self.sizes)[self.person]
        self.tile = tile
        self.genuine = int((self.sizes * (self.sizes - 1) // 2).sum())
        self.impostor = len(labels) * (len(labels) - 1) // 2 - self.genuine

    def tiles(self, *, genuine: bool) -> Iterator[tuple[int, int, torch.Tensor]]:
        """Row, column and float64 products of each tile that holds pairs of this kind; −inf in all other places.

        The products are overwritten by those of the next tile.
        """
        import torch

        count, end = len(self.end), torch.from_numpy(self.end).to(self.rows.device)
        index = torch.arange(count, device=self.rows.device)
        space = torch.empty(min(self.tile, count) ** 2, dtype=torch.float64, device=self.rows.device)
        for row in range(0, count, self.tile):
            stop = min(row + self.tile, count)
            left = self.rows[row:stop].double()
            first_end, last_end = self.end[row], self.end[stop - 1]
            beyond = last_end if genuine else count
            for column in range(row, beyond, self.tile):
                right = self.rows[column : min(column + self.tile, beyond)]
                if not genuine and column + len(right) <= first_end:
                    continue
                product = space[: len(left) * len(right)].view(len(left), len(right))
                torch.matmul(left, right.double().T, out=product)
                if column < last_end:
                    across = index[column : column + len(right)]
                    own = across < end[row:stop, None]
                    wanted = own & (across > index[row:stop, None]) if genuine else ~own
                    product.masked_fill_(~wanted, -torch.inf)
                yield row, column, product

    def highest_impostors(self, most: int) -> tuple[Int, Int, Int]:
        """Steps below 1 (rising) and both people of at most so many impostors, (L,) each; of a tie all or none."""
        limit = _ALL if self.impostor <= most else _Top(most + 1, self).ranked([most + 1])[0]
        return self._highest(limit, genuine=False)

    def all_genuine(self) -> tuple[Int, Int]:
        """Steps below 1 (rising) and the person of every genuine pair, (M,) each."""
        found, person, _ = self._highest(_ALL, genuine=True)
        return found, person

    def _highest(self, limit: int, *, genuine: bool) -> tuple[Int, Int, Int]:
        parts = []
        for row, column, product in self.tiles(genuine=genuine):
            places = _places(product, _product_above(limit))
            found = _steps_below_one(product, places).cpu().numpy()
            at = places.cpu().numpy()[found < limit]
            parts.append((found[found < limit], row + at // product.shape[1], column + at % product.shape[1]))
        found, first, second = (np.concatenate(part) for part in zip(*parts, strict=True))
        order = np.argsort(found, kind="stable")
        return found[order], self.person[first[order]], self.person[second[order]]


class _Top:
    """How often each impostor score occurs, from 1 down to a floor: the ``needed``-th highest score so far.

    What lies at the floor or below can no longer change which scores are the ``needed`` highest, so it is not counted.
    """

    def __init__(self, needed: int, pairs: _Pairs) -> None:
        import torch

        # NumPy's zeros take memory only where something is counted.
        self.counts = torch.from_numpy(np.zeros((_BLOCKS, _BLOCK), np.int64)).to(pairs.rows.device)
        floor, fresh = -np.inf, 0
        for _, _, product in pairs.tiles(genuine=False):
            found = _steps_below_one(product, _places(product, floor))
            self.counts.view(-1).index_add_(0, found, torch.ones_like(found))
            fresh += len(found)
            if fresh >= max(needed, _REFRESH):
                floor, fresh = _product_above(self.ranked([needed])[0]), 0

    def ranked(self, ranks: list[int]) -> list[int]:
        """The scores of these ranks (1 is the highest, ``needed`` the last known), in steps below a score of 1."""
        blocks = np.cumsum(self.counts.sum(1).cpu().numpy())
        found = []
        for rank in ranks:
            block = int(np.searchsorted(blocks, rank))
            within = np.cumsum(self.counts[block].cpu().numpy())
            found.append(block * _BLOCK + int(np.searchsorted(within, rank - (blocks[block] - within[-1]))))
        return found


def _places(product: torch.Tensor, bound: float) -> torch.Tensor:
    """Where in the flattened product it exceeds the bound, (K,) int64."""
    import torch

    if product.is_cuda:
        return torch.nonzero(product.view(-1) > bound).squeeze(1)
    return torch.from_numpy(np.flatnonzero(product.numpy() > bound))  # several times faster than torch's on a CPU


def _steps_below_one(product: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """The scores at these places as steps below a score of 1, (K,) int64 from 0 to 2·STEPS."""
    return STEPS - steps(product.view(-1)[places]).long()


def _product_above(step: int) -> float:
    """A product that every score fewer steps below 1 than ``step`` exceeds; some others may."""
    return float((STEPS - step) * PRODUCT_UNIT) if step < _ALL else -np.inf
