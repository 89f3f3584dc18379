"""The geometry of an embedding: how compact and how isotropic identities are, and how far apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.suite.seeds import seed_for

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

QUADRUPLE = 4
DRAWS = 16  # permutations per identity over which the quadruples are averaged
EDGES_DEG = np.arange(0.0, 182.5, 2.5)


@dataclass(frozen=True)
class Geometry:
    """Angles in degrees. ``images``: n per identity after equalising; ``left_out``: identities with fewer;
    ``zero_spread``: identities whose embeddings coincide, counted and not averaged. None: cannot be measured."""

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
    separation_deg: float | None
    further_margin_deg: float | None
    intra: Ints
    inter: Ints

    def metrics(self) -> dict[str, float | None]:
        names = (
            "compactness_deg", "d_eff", "isotropy", "isotropy_null", "participation", "top_axis_share",
            "separation_deg", "further_margin_deg",
        )  # fmt: skip
        return {name: getattr(self, name) for name in names}

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
    """Geometry of embeddings (N, d) with identities (N,).

    Only identities with at least four images count. n, the same for all, is the largest number that at least half of
    those have (20 at most); the others are left out, and each is cut down to n images drawn by ``seed``.
    """
    x = np.asarray(embeddings, np.float64)
    x = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    labels = np.asarray(identity)
    people, counts = np.unique(labels, return_counts=True)
    enough = np.sort(counts[counts >= QUADRUPLE])
    empty = np.zeros(len(EDGES_DEG) - 1, np.int64)
    if len(enough) < 2:
        return Geometry(0, 0, len(people), 0, None, None, None, None, None, None, None, None, empty, empty)
    n = int(min(20, enough[len(enough) // 2]))
    draw = np.random.default_rng(seed_for("geometry", seed=seed))
    kept = [draw.permutation(np.flatnonzero(labels == p))[:n] for p in people[counts >= n]]
    group = x[np.stack(kept)]  # (I, n, d)
    mean = group.sum(axis=1)
    mean /= np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-12)
    cosine = np.einsum("ind,id->in", group, mean)
    angle = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
    residual = group - cosine[..., None] * mean[:, None]
    # float32 embeddings that coincide differ by rounding only
    spread = np.square(residual).sum(axis=2).max(axis=1) > 1e-10
    d = x.shape[1]
    d_eff = effective_dimension(group[spread], draw) if spread.any() else None
    null = effective_dimension(draw.standard_normal((int(spread.sum()), n, d - 1)), draw) if spread.any() else None
    between = np.degrees(np.arccos(np.clip(mean @ mean.T, -1, 1)))
    np.fill_diagonal(between, np.inf)
    radius = angle.max(axis=1)
    margin = (between - radius[:, None] - radius[None, :]).min(axis=1)
    others = np.degrees(np.arccos(np.clip(np.einsum("ind,jd->inj", group, mean), -1, 1)))
    others[np.arange(len(mean)), :, np.arange(len(mean))] = np.inf
    return Geometry(
        identities=len(mean),
        images=n,
        left_out=len(people) - len(mean),
        zero_spread=int((~spread).sum()),
        compactness_deg=float(angle[spread].mean()) if spread.any() else None,
        d_eff=d_eff,
        isotropy=None if d_eff is None else d_eff / (d - 1),
        isotropy_null=None if null is None else null / (d - 1),
        participation=_participation(residual[spread]) if spread.any() else None,
        top_axis_share=_top_axis_share(residual[spread]) if spread.any() else None,
        separation_deg=float(between.min(axis=1).mean()),
        further_margin_deg=float(margin.mean()),
        intra=np.histogram(angle, EDGES_DEG)[0].astype(np.int64),
        inter=np.histogram(others.min(axis=2), EDGES_DEG)[0].astype(np.int64),
    )


def effective_dimension(groups: Floats, draw: np.random.Generator) -> float | None:
    """D_eff = (tr Σ)² / tr Σ² of the scatter within groups (I, n, d), without the bias of few samples.

    mean[¼‖x1−x2‖²‖x3−x4‖²] / mean[¼((x1−x2)·(x3−x4))²] over disjoint quadruples within an identity, each mean taken
    over all identities before dividing. None where the scatter is zero.
    """
    count, n, _ = groups.shape
    quads = n // QUADRUPLE
    top = bottom = 0.0
    for _ in range(DRAWS):
        order = draw.permuted(np.broadcast_to(np.arange(n), (count, n)), axis=1)[:, : quads * QUADRUPLE]
        picked = np.take_along_axis(groups, order[:, :, None], axis=1).reshape(count, quads, QUADRUPLE, -1)
        a, b = picked[:, :, 0] - picked[:, :, 1], picked[:, :, 2] - picked[:, :, 3]
        top += float((np.square(a).sum(-1) * np.square(b).sum(-1)).mean()) / 4
        bottom += float(np.square((a * b).sum(-1)).mean()) / 4
    return top / bottom if bottom > 0 else None


def _participation(residual: Floats) -> float:
    """Mean over identities of (Σe)²/Σe² of the residuals' eigenvalues: saturates near n, so only a second column."""
    gram = np.einsum("ind,imd->inm", residual, residual)
    return float((np.trace(gram, axis1=1, axis2=2) ** 2 / np.square(gram).sum(axis=(1, 2))).mean())


def _top_axis_share(residual: Floats) -> float:
    """Share of the largest eigenvalue of the covariance of residuals pooled within identities."""
    flat = residual.reshape(-1, residual.shape[2])
    values = np.linalg.eigvalsh(flat.T @ flat)
    return float(values[-1] / values.sum())


def pull_isotropy(pull: npt.ArrayLike, theta: npt.ArrayLike, *, bins: int = 10) -> float | None:
    """5th over 95th percentile of the pull (N,) within bins of equally many samples by angle θ (N,), averaged.

    1 is isotropic: at one angle, every direction is pulled alike. None where the pull is zero or samples are few.
    """
    p, t = np.asarray(pull, np.float64), np.asarray(theta, np.float64)
    if len(p) < 20 * bins:
        return None
    ratios = []
    for rows in np.array_split(np.argsort(t, kind="stable"), bins):
        low, high = np.percentile(p[rows], [5, 95])
        if high > 0:
            ratios.append(low / high)
    return float(np.mean(ratios)) if ratios else None
