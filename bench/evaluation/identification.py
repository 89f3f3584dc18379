"""Identification: whose face is it? Rank-k and CMC in a closed set, TPIR at FPIR in an open one.

Each probe is compared with the whole gallery. It is *mated* if its person is in the gallery. Ties count against us: a
mate's rank is 1 + the number of gallery templates of other people that score at least as high as the best mate. Terms
after Grother, Ngan and Hanaoka, Face Recognition Vendor Test Part 2: Identification (NISTIR 8271, 2019), where
FNIR = 1 − TPIR, and Klare et al., IARPA Janus Benchmark A (CVPR 2015). The scores are exact (`cosines`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from bench.errors import DataError
from bench.evaluation.bootstrap import Interval
from bench.evaluation.cosines import STEPS, check_identities, check_templates, on_device, steps, whole_rows
from bench.evaluation.pairs import Bool, Float, Int
from bench.evaluation.rates import Far, exact_rate, rate_text
from bench.evaluation.repeated import people_intervals, rates_when_repeated
from bench.evaluation.verification import TarAtFar, tar_at_far

if TYPE_CHECKING:
    import torch

RANKS = (1, 5, 10)
_BLOCK = 2**23  # scores at a time: 64 MB
_NONE = -2.0  # the highest score among no templates: below every cosine


@dataclass(frozen=True, eq=False)
class Search:
    """What the search for each of P probes in a gallery of ``gallery`` templates found, (P,) each.

    ``identity``: int64, the probe's person. ``rank``: int64, of the best mate, 0 for a probe without one. ``mate`` and
    ``other``: float32, the best score of a template of the probe's person and of other people, −2 where there is none.
    """

    gallery: int
    identity: Int
    rank: Int
    mate: npt.NDArray[np.float32]
    other: npt.NDArray[np.float32]

    @property
    def mated(self) -> Bool:
        return self.rank > 0


@dataclass(frozen=True, eq=False)
class Identification:
    """Shares in [0, 1]. ``ranks``: those that `metrics` names. ``cmc``: (gallery,) float64, entry k − 1 is the share of
    mated probes of rank k or better.

    ``tpir``: for each FPIR f asked for (as ``far``), the largest share of mated probes whose mate is first and reaches
    the threshold (as ``tar``), over thresholds that at most ``allowed`` = ⌊f·N⌋ of the N unmated probes reach with
    their best score. None for f < 1/N and, as ``cmc``, without mated probes: not measurable.
    """

    gallery: int
    mated: int
    unmated: int
    ranks: tuple[int, ...]
    cmc: Float | None
    tpir: tuple[TarAtFar, ...]

    def metrics(self) -> dict[str, float | None]:
        """``rank_1`` and so on, ``tpir_at_fpir_1e-2`` and so on; None: not measurable, or no rank can be worse."""
        shares = {
            f"rank_{k}": float(self.cmc[k - 1]) if self.cmc is not None and k < self.gallery else None
            for k in self.ranks
        }
        return shares | {_name(point.far): point.tar for point in self.tpir}

    def facts(self) -> dict[str, int]:
        return {
            "identification_gallery": self.gallery,
            "identification_mated": self.mated,
            "identification_unmated": self.unmated,
        }


def _name(fpir: str) -> str:
    return f"tpir_at_fpir_{fpir}"


def gallery_and_probes(identity: npt.ArrayLike) -> tuple[Int, Int]:
    """Rows of a gallery (G,) and of probes (P,), both rising, for a test set (T,) without an official one.

    In the order given, the first template of each person with at least two is the gallery; all other templates are
    probes: mated those of people in the gallery, unmated those of people with a single template.
    """
    labels = np.asarray(identity)
    labels = check_identities(labels, labels.size)
    _, first, count = np.unique(labels, return_index=True, return_counts=True)
    gallery = np.sort(first[count > 1])
    return gallery, np.setdiff1d(np.arange(len(labels)), gallery)


def search(
    gallery: npt.ArrayLike,
    gallery_identity: npt.ArrayLike,
    probes: npt.ArrayLike,
    probe_identity: npt.ArrayLike,
    *,
    device: str | torch.device = "cpu",
) -> Search:
    """Compares every probe (P, d) with every gallery template (G, d), of any length > 0; identities are integers.

    Memory: 12·G·d + 4·P·d bytes and 0.3 GB. ``device`` (cpu, cuda) changes no bit of the result. Raises DataError for
    embeddings that are zero or not finite, DeviceError for a device that is absent.
    """
    import torch

    templates, known = check_templates(gallery, gallery_identity)
    samples, who = check_templates(probes, probe_identity)
    if templates.shape[1] != samples.shape[1]:
        raise DataError(f"gallery and probes must be of one size d, found {templates.shape} and {samples.shape}")
    enrolled, wanted = whole_rows(templates), whole_rows(samples)
    columns = on_device(enrolled, device).double().T
    owner = torch.from_numpy(known).to(columns.device)
    rank = np.zeros(len(who), np.int64)
    mate, other = (np.full(len(who), _NONE, np.float32) for _ in range(2))
    block = max(1, _BLOCK // max(1, len(known)))
    for start in range(0, len(who) if len(known) else 0, block):
        part = slice(start, start + block)
        score = steps(on_device(wanted[part], device).double() @ columns)
        own = owner == torch.from_numpy(who[part]).to(owner.device)[:, None]
        best = score.masked_fill(~own, _NONE * STEPS).amax(1)
        score.masked_fill_(own, _NONE * STEPS)
        rank[part] = torch.where(own.any(1), 1 + (score >= best[:, None]).sum(1), 0).cpu().numpy()
        mate[part], other[part] = (best / STEPS).cpu().numpy(), (score.amax(1) / STEPS).cpu().numpy()
    return Search(len(known), who, rank, mate, other)


def search_within(embeddings: npt.ArrayLike, identity: npt.ArrayLike, *, device: str | torch.device = "cpu") -> Search:
    """`search` in a test set (T, d) without an official gallery, split by `gallery_and_probes`."""
    given, labels = check_templates(embeddings, identity)
    gallery, probes = gallery_and_probes(labels)
    return search(given[gallery], labels[gallery], given[probes], labels[probes], device=device)


def identify(found: Search, *, fpirs: Iterable[Far], ranks: Iterable[int] = RANKS) -> Identification:
    """Rates of a search; ``fpirs`` as for `verification.tar_at_far`, whose conservative rule sets the thresholds."""
    hits, alarms = _hits(found), found.other[~found.mated]

    def point(rate: Fraction) -> TarAtFar:
        if len(hits) and len(alarms):
            return tar_at_far(hits, alarms, rate)
        return TarAtFar(rate_text(rate), None, None, int(rate * len(alarms)))

    of_rank = np.bincount(found.rank[found.mated], minlength=found.gallery + 1)[1:]
    return Identification(
        gallery=found.gallery,
        mated=len(hits),
        unmated=len(alarms),
        ranks=tuple(ranks),
        cmc=of_rank.cumsum() / len(hits) if len(hits) else None,
        tpir=tuple(point(exact_rate(fpir)) for fpir in fpirs),
    )


def _hits(found: Search) -> npt.NDArray[np.float32]:
    """Scores of the mated probes, (M,), out of every threshold's reach where the mate is not first."""
    scores: npt.NDArray[np.float32] = np.where(found.rank == 1, found.mate, np.float32(_NONE))[found.mated]
    return scores


def identification_intervals(
    found: Search,
    *,
    fpirs: Iterable[Far],
    ranks: Iterable[int] = RANKS,
    seed: int,
    replicates: int = 1000,
    level: float = 0.95,
) -> dict[str, Interval]:
    """Percentile intervals of `identify`'s metrics, by name, when the people of the probes are drawn with replacement.

    The gallery stays as it is. A person drawn w times has all of their probes w times; each replicate has its own
    number of unmated probes and threshold. A replicate without mated probes, or with too few unmated ones for a rate,
    is counted as undefined. Raises DataError for no replicates or a level outside (0, 1).
    """
    rates = [exact_rate(fpir) for fpir in fpirs]
    people, person = np.unique(found.identity, return_inverse=True)
    mated = np.flatnonzero(found.mated)
    hit, unmated = _hits(found), np.flatnonzero(~found.mated)
    by_score = np.argsort(-hit, kind="stable")
    mated, hit = mated[by_score], hit[by_score]
    unmated = unmated[np.argsort(-found.other[unmated], kind="stable")]
    ahead = np.searchsorted(-hit, -found.other[unmated], side="left")
    ranks = tuple(ranks)

    def rates_of(times: Int) -> list[float]:
        weight, alarm = times[person[mated]], times[person[unmated]]
        total = int(weight.sum())
        told = [total > 0 and k < found.gallery for k in ranks]
        shares = [
            weight[found.rank[mated] <= k].sum() / total if t else np.nan for k, t in zip(ranks, told, strict=True)
        ]
        return shares + rates_when_repeated(weight, total, ahead, alarm, int(alarm.sum()), rates)

    names = [f"rank_{k}" for k in ranks] + [_name(rate_text(rate)) for rate in rates]
    return people_intervals(rates_of, names, len(people), replicates=replicates, seed=seed, level=level)
