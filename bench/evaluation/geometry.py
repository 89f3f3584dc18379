"""The geometry of an embedding: how compact and how isotropic identities are, and how far apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.errors import DataError
from bench.suite.seeds import seed_for

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

QUADRUPLE = 4
DRAWS = 16  # permutations per identity over which the quadruples are averaged
PER_IDENTITY = 20  # images from which one identity's own top axis is worth measuring; also the largest n
MEASURED = (
    "compactness_deg", "d_eff", "isotropy", "participation", "top_axis_share", "top_axis_share_per_identity",
    "separation_deg", "further_margin_deg",
)  # fmt: skip
EDGES_DEG = np.arange(0.0, 182.5, 2.5)


@dataclass(frozen=True)
class Geometry:
    """Angles in degrees. ``images``: n per identity after equalising; ``left_out``: identities with fewer.

    ``zero_spread``: identities whose embeddings coincide; they are neighbours of the others, but in no average
    and in no histogram. ``isotropy_null``: what the estimator reads on as many isotropic identities of the same
    n and d. ``intra``, ``inter``: counts (len(EDGES_DEG) − 1,) of the angle of an image to its own identity's
    mean (which it is part of), and to the nearest other mean. None: cannot be measured;
    ``top_axis_share_per_identity`` needs n ≥ 20. ``parts``: metric → what each identity with spread (I,) adds to its
    numerator and to its denominator, so that Σ numerator / Σ denominator is the metric.
    """

    identities: int
    images: int
    left_out: int
    zero_spread: int
    compactness_deg: float | None
    d_eff: float | None
    isotropy: float | None
    isotropy_null: float | None
    participation: float | None
    top_axis_share: float | None
    top_axis_share_per_identity: float | None
    separation_deg: float | None
    further_margin_deg: float | None
    intra: Ints
    inter: Ints
    parts: Mapping[str, tuple[Floats, Floats]]

    def metrics(self) -> dict[str, float | None]:
        return {name: getattr(self, name) for name in (*MEASURED, "isotropy_null")}

    def facts(self) -> dict[str, int]:
        return {
            "geometry_identities": self.identities,
            "geometry_images": self.images,
            "geometry_left_out": self.left_out,
            "geometry_zero_spread": self.zero_spread,
        }

    def angles(self) -> dict[str, list[float]]:
        """Histograms: angle of an image to its own mean, and to the nearest other identity's mean."""
        return {
            "edges_deg": EDGES_DEG.tolist(),
            "intra": self.intra.astype(float).tolist(),
            "inter": self.inter.astype(float).tolist(),
        }


def measure(embeddings: npt.ArrayLike, identity: npt.ArrayLike, *, seed: int = 0) -> Geometry:
    """Geometry of embeddings (N, d), of any length > 0, with identities (N,), after gradient_enhancement's definitions.

    Only identities with at least four images count. n, the same for all, is the largest number that at least
    half of those have (20 at most); the others are left out, and each is cut down to n images drawn by
    ``seed``. With fewer than two such identities every value is None. Raises DataError for embeddings that are
    zero or not finite.
    """
    draw = np.random.default_rng(seed_for("geometry", seed=seed))
    group, left_out = equal_groups(embeddings, identity, draw)
    if not len(group):
        empty = np.zeros(len(EDGES_DEG) - 1, np.int64)
        return Geometry(0, 0, left_out, 0, None, None, None, None, None, None, None, None, None, empty, empty, {})
    return _measure(group, left_out=left_out, draw=draw)


def equal_groups(embeddings: npt.ArrayLike, identity: npt.ArrayLike, draw: np.random.Generator) -> tuple[Floats, int]:
    """Unit embeddings (I, n, d) of the identities that count, and the number of the others; see `measure`.

    I is 0 where fewer than two count.
    """
    unit, labels = _unit(embeddings), np.asarray(identity)
    if labels.shape != unit.shape[:1]:
        raise DataError(f"identities must be ({len(unit)},), one for each embedding, found {labels.shape}")
    people, counts = np.unique(labels, return_counts=True)
    enough = np.sort(counts[counts >= QUADRUPLE])
    if len(enough) < 2:
        return np.zeros((0, 0, unit.shape[1])), len(people)
    n = int(min(PER_IDENTITY, enough[len(enough) // 2]))
    kept = [draw.permutation(np.flatnonzero(labels == p))[:n] for p in people[counts >= n]]
    return unit[np.stack(kept)], len(people) - len(kept)


def around_mean(group: Floats) -> tuple[Floats, Floats, Floats]:
    """Of groups (I, n, d) of unit embeddings: the directions of their sums (I, d), the cosines to these (I, n), and
    what lies across them (I, n, d), which adds up to zero over a group."""
    mean: Floats = group.sum(axis=1)
    mean /= np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-12)
    cosine: Floats = np.einsum("ind,id->in", group, mean)
    return mean, cosine, group - cosine[..., None] * mean[:, None]


def spreads(residual: Floats) -> npt.NDArray[np.bool_]:
    """Which groups (I, n, d) have a scatter: embeddings of one picture differ by rounding only."""
    found: npt.NDArray[np.bool_] = np.linalg.norm(residual, axis=2).max(axis=1) > 1e-5
    return found


def _measure(group: Floats, *, left_out: int, draw: np.random.Generator) -> Geometry:
    """Geometry of equally many unit embeddings (I, n, d) of I ≥ 2 identities."""
    count, n, d = group.shape
    mean, cosine, residual = around_mean(group)
    sine = np.linalg.norm(residual, axis=2)
    # Near 0, where compact identities end up, the arc cosine loses half of the digits.
    angle = np.degrees(np.arctan2(sine, cosine))
    between = _degrees(mean @ mean.T)
    np.fill_diagonal(between, np.inf)
    radius = angle.max(axis=1)
    margin = (between - radius[:, None] - radius).min(axis=1)
    others = _degrees(group @ mean.T)
    others[np.arange(count), :, np.arange(count)] = np.inf

    spread = spreads(residual)
    residual = residual[spread]
    parts: dict[str, tuple[Floats, Floats]] = {}
    null = None
    if spread.any():
        one = np.ones(len(residual))
        top, bottom = _quadruples(group[spread], draw)
        null = _ratio(_quadruples(draw.standard_normal((len(residual), n, d - 1)), draw))
        parts = {
            "compactness_deg": (angle[spread].mean(axis=1), one),
            "d_eff": (top, bottom),
            "isotropy": (top, bottom * (d - 1)),
            "participation": (_participation(residual), one),
            "top_axis_share": _along_top_axis(residual),
            "separation_deg": (between[spread].min(axis=1), one),
            "further_margin_deg": (margin[spread], one),
        }
        if n >= PER_IDENTITY:
            parts["top_axis_share_per_identity"] = (_top_axis_shares(residual), one)
    return Geometry(
        identities=count,
        images=n,
        left_out=left_out,
        zero_spread=count - len(residual),
        **{name: _ratio(parts[name]) if name in parts else None for name in MEASURED},
        isotropy_null=None if null is None else null / (d - 1),
        intra=np.histogram(angle[spread], EDGES_DEG)[0].astype(np.int64),
        inter=np.histogram(others[spread].min(axis=2), EDGES_DEG)[0].astype(np.int64),
        parts={name: both for name, both in parts.items() if _ratio(both) is not None},
    )


def _ratio(both: tuple[Floats, Floats]) -> float | None:
    numerator, denominator = both[0].sum(), both[1].sum()
    return float(numerator / denominator) if denominator > 0 else None


def _unit(embeddings: npt.ArrayLike) -> Floats:
    """Rows (N, d) at length 1, float64."""
    rows = np.asarray(embeddings, np.float64)
    if rows.ndim != 2 or rows.shape[1] < 2:
        raise DataError(f"embeddings must be (N, d) with d ≥ 2, found {rows.shape}")
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    wrong = np.flatnonzero(~(np.isfinite(length) & (length > 1e-12)))
    if len(wrong):
        shown = ", ".join(map(str, wrong[:5]))
        raise DataError(
            f"{len(wrong)} of {len(rows)} embeddings are zero or not finite (rows {shown}{', …' * (len(wrong) > 5)})"
        )
    unit: Floats = rows / length
    return unit


def _degrees(cosine: Floats) -> Floats:
    angle: Floats = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
    return angle


def effective_dimension(groups: Floats, draw: np.random.Generator) -> float | None:
    """D_eff = (tr Σ)² / tr Σ² of the scatter within groups (I, n, d), without the bias of few samples.

    mean[¼‖x1−x2‖²‖x3−x4‖²] / mean[¼((x1−x2)·(x3−x4))²] over disjoint quadruples within an identity, each mean taken
    over all identities before dividing. None where the scatter is zero.
    """
    return _ratio(_quadruples(groups, draw))


def _quadruples(groups: Floats, draw: np.random.Generator) -> tuple[Floats, Floats]:
    """What each of the groups adds to the two means of D_eff, (I,) each."""
    count, n, _ = groups.shape
    quads = n // QUADRUPLE
    top, bottom = np.zeros(count), np.zeros(count)
    for _ in range(DRAWS):
        order = draw.permuted(np.broadcast_to(np.arange(n), (count, n)), axis=1)[:, : quads * QUADRUPLE]
        picked = np.take_along_axis(groups, order[:, :, None], axis=1).reshape(count, quads, QUADRUPLE, -1)
        a, b = picked[:, :, 0] - picked[:, :, 1], picked[:, :, 2] - picked[:, :, 3]
        top += (np.square(a).sum(-1) * np.square(b).sum(-1)).mean(axis=1) / 4
        bottom += np.square((a * b).sum(-1)).mean(axis=1) / 4
    return top, bottom


def _participation(residual: Floats) -> Floats:
    """(Σe)²/Σe² of each identity's residuals' eigenvalues: saturates near n, so only a second column."""
    gram = residual @ residual.transpose(0, 2, 1)
    shares: Floats = np.trace(gram, axis1=1, axis2=2) ** 2 / np.square(gram).sum(axis=(1, 2))
    return shares


def _top_axis_shares(residual: Floats) -> Floats:
    """Share (G,) of the largest eigenvalue of each group's (G, n, d) covariance.

    The residuals of an identity add up to zero, because μ is the direction of the sum: there is nothing to centre.
    """
    across = residual.transpose(0, 2, 1)
    values = np.linalg.eigvalsh(residual @ across if residual.shape[1] < residual.shape[2] else across @ residual)
    shares: Floats = values[:, -1] / values.sum(axis=1)
    return shares


def _along_top_axis(residual: Floats) -> tuple[Floats, Floats]:
    """Scatter of each identity along the top axis of all of them together, and its whole scatter, (I,) each."""
    pooled = residual.reshape(-1, residual.shape[2])
    axis = np.linalg.eigh(pooled.T @ pooled)[1][:, -1]
    return np.square(residual @ axis).sum(axis=1), np.square(residual).sum(axis=(1, 2))


def pull_isotropy(pull: npt.ArrayLike, theta: npt.ArrayLike, *, bins: int = 10) -> float | None:
    """5th over 95th percentile of the pull (N,) within bins of equal angle θ (N,), averaged by the number of samples.

    1 is isotropic: at one angle, every direction is pulled alike. The bins lie between quantiles of θ, so that
    each holds about as many samples and equal angles are never parted; within a bin the pull still varies with
    θ itself, so that more bins come nearer to the ideal from below. A bin whose 95th percentile is not positive
    has no ratio and is left out; None where that is every bin, or with fewer than 20 samples a bin. Raises
    DataError for values that are not finite.
    """
    p, t = np.asarray(pull, np.float64), np.asarray(theta, np.float64)
    if p.ndim != 1 or p.shape != t.shape or not np.isfinite([p, t]).all():
        raise DataError(f"pull and theta must be finite and (N,) each, found {p.shape} and {t.shape}")
    if len(p) < 20 * bins:
        return None
    inner = np.quantile(t, np.arange(1, bins) / bins)
    inside = [p[np.searchsorted(inner, t, side="right") == k] for k in range(bins)]
    ratios, sizes = [], []
    for found in (part for part in inside if len(part)):
        low, high = np.percentile(found, [5, 95])
        if high > 0:
            ratios.append(low / high)
            sizes.append(len(found))
    return float(np.average(ratios, weights=sizes)) if ratios else None
