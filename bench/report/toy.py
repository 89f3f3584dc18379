"""Toy networks with embeddings of 2 and 3 dimensions: the losses of a suite on eight made-up identities, to be seen.

Nothing of a suite's own data, backbone or recipe is in them, and no conclusion about it follows from them: they show
what shape a loss, with the enhancing term and without, gives to classes. Importing this imports no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.errors import BenchError
from bench.records import digest
from bench.report.losses import Loss, installed, planned_losses
from bench.suite.seeds import seed_for

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor

    from bench.losses.head import MarginHead
    from bench.store import Store

VERSION = 1
"""Raised when the same loss would learn other numbers, by whatever constant of this module."""
DIMENSIONS = (2, 3)
IDENTITIES, INPUTS, SHOWN = 8, 16, 80
"""How many there are, the numbers that describe one sample, and the samples of each that are kept."""
NUISANCES = (2.4, 1.2)
"""Standard deviations along two directions that all identities share, as pose and light are shared by faces; in every
other direction it is ``NOISE``. Identities lie apart by about √2 in each."""
NOISE = 0.5
HIDDEN, STEPS, BATCH, RATE, DECAY = 64, 400, 256, 0.003, 0.0005
MOST_LOSSES = 4
SEED = 2107


@dataclass(frozen=True)
class Toy:
    """One network to train. ``enhancement``: as `MarginHead` takes it, None for the base loss."""

    title: str
    margin: dict[str, Any]
    enhancement: dict[str, Any] | None
    dimension: int

    @property
    def strength(self) -> float:
        return float(self.enhancement["strength"]) if self.enhancement else 0.0

    @property
    def key(self) -> str:
        """Of all that the network depends on, so that suites with the same loss share it."""
        return digest(["toy", VERSION, self.margin, self.enhancement, self.dimension])


def planned_toys(plan: Mapping[str, Any]) -> list[Toy]:
    """Of each of the first losses of a plan its smallest strength and its largest, for each dimension."""
    return [
        Toy(loss.title, loss.margin, {**loss.term, "strength": strength} if loss.term and strength else None, dimension)
        for loss in planned_losses(plan)[:MOST_LOSSES]
        for dimension in DIMENSIONS
        for strength in dict.fromkeys((loss.strengths[0], loss.strengths[-1]))
    ]


def kept_toys(store: Store, plan: Mapping[str, Any]) -> list[str]:
    """The keys of those that are trained."""
    return [toy.key for toy in planned_toys(plan) if store.toy(toy.key) is not None]


def train_toys(
    store: Store, plan: Mapping[str, Any], tell: Callable[[int, int], None] = lambda done, count: None
) -> None:
    """Trains what is not kept yet, a few seconds each; ``tell(done, count)`` after every one.

    A toy that cannot be trained is recorded with the reason in ``why``; one of a loss that is not installed is passed
    over.
    """
    missing = [toy for toy in planned_toys(plan) if store.toy(toy.key) is None and _is_installed(toy)]
    for done, toy in enumerate(missing, 1):
        store.write_toy(toy.key, train(toy))
        tell(done, len(missing))


def _is_installed(toy: Toy) -> bool:
    try:
        installed(Loss(toy.title, toy.margin, toy.enhancement, (toy.strength,)))
    except BenchError:
        return False
    return True


def train(toy: Toy) -> dict[str, Any]:
    """``embeddings`` (N, d) raw of samples that were not trained on, their ``labels`` (N,), unit ``centres`` (C, d),
    of several a class the first, and ``why`` there are none of them, or None. The same on every call."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the order of sums is in the bits
    try:
        with torch.random.fork_rng(devices=()):
            torch.default_generator.manual_seed(seed_for("toy", seed=SEED))
            embeddings, centres = _fit(toy)
    except BenchError as error:
        return {"why": str(error)}
    finally:
        torch.set_num_threads(threads)
    if not torch.isfinite(embeddings).all():
        return {"why": "the loss became NaN or infinite"}
    return {
        "margin": toy.margin, "enhancement": toy.enhancement, "dimension": toy.dimension, "why": None,
        "embeddings": _rounded(embeddings), "labels": [who for who in range(IDENTITIES) for _ in range(SHOWN)],
        "centres": _rounded(centres),
    }  # fmt: skip


def _fit(toy: Toy) -> tuple[Tensor, Tensor]:
    import torch
    from torch.nn import functional as F

    from bench.losses.head import MarginHead

    draw = torch.Generator().manual_seed(seed_for("toy samples", seed=SEED))
    sample = _samples(draw)
    network = _network(toy.dimension)
    stream = torch.Generator().manual_seed(seed_for("toy margin", seed=SEED))
    head = MarginHead(toy.margin, toy.enhancement, IDENTITIES, toy.dimension, generator=stream, stream=stream)
    _spread_evenly(head)
    optimiser = torch.optim.AdamW([*network.parameters(), *head.trainable()], lr=RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
    for step in range(STEPS):
        optimiser.zero_grad()
        labels = torch.randint(IDENTITIES, (BATCH,), generator=draw)
        head(network(sample(labels)), labels, step=step).loss.backward()
        torch.nn.utils.clip_grad_norm_([*network.parameters(), *head.trainable()], 5.0)
        optimiser.step()
        schedule.step()
    with torch.no_grad():
        centres = head.centres if head.centres.ndim == 2 else head.centres[:, 0]
        shown = sample(torch.arange(IDENTITIES).repeat_interleave(SHOWN))
        return network.eval()(shown), F.normalize(centres.detach())


def _samples(draw: torch.Generator) -> Callable[[Tensor], Tensor]:
    """Labels (n,) → new samples (n, INPUTS) of these identities: where each lies, and what varies about it."""
    import torch

    where = torch.randn(IDENTITIES, INPUTS, generator=draw)
    spread = torch.tensor([*NUISANCES, *[NOISE] * (INPUTS - len(NUISANCES))])

    def sample(labels: Tensor) -> Tensor:
        return where[labels] + spread * torch.randn(len(labels), INPUTS, generator=draw)

    return sample


def _network(dimension: int) -> torch.nn.Module:
    from torch import nn

    layers, inputs = list[nn.Module](), INPUTS
    for width in (HIDDEN, HIDDEN):
        layers += [nn.Linear(inputs, width, bias=False), nn.BatchNorm1d(width), nn.PReLU(width)]
        inputs = width
    return nn.Sequential(*layers, nn.Linear(inputs, dimension))


def _spread_evenly(head: MarginHead) -> None:
    """Centres start evenly on the circle or (by the golden angle) on the sphere: from random ones, two that start side
    by side in so few dimensions never part, whatever the loss."""
    import torch

    count, dimension = head.centres.shape[0], head.centres.shape[-1]
    at = torch.arange(count, dtype=torch.float32) + 0.5
    turn = 2 * torch.pi * at / count if dimension == 2 else torch.pi * (3 - 5**0.5) * at
    if dimension == 2:
        even = torch.stack([turn.cos(), turn.sin()], dim=1)
    else:
        height = 1 - 2 * at / count
        even = torch.cat(
            [(1 - height**2).sqrt()[:, None] * torch.stack([turn.cos(), turn.sin()], 1), height[:, None]], 1
        )
    with torch.no_grad():
        head.centres.copy_(even if head.centres.ndim == 2 else even[:, None].expand_as(head.centres))


def _rounded(values: Tensor) -> list[list[float]]:
    return [[round(float(value), 5) for value in row] for row in values]


def shape_of(record: Mapping[str, Any]) -> dict[str, float]:
    """What the classes of a toy look like. Angles in degrees.

    ``compactness_deg``: mean angle to the own class's mean direction; ``nearest``: share of samples whose own class's
    mean direction is the nearest. In 3 dimensions ``ratio``: the smaller over the larger eigenvalue of a class's
    covariance in its tangent plane, mean over classes, and ``ratio_null``, what isotropic classes of as many read; in 2
    there is one tangent direction, so nothing to compare.
    """
    import numpy as np

    raw, labels = np.asarray(record["embeddings"], np.float64), np.asarray(record["labels"])
    unit = raw / np.linalg.norm(raw, axis=1, keepdims=True).clip(1e-12)
    people = np.unique(labels)
    means = np.stack([unit[labels == person].sum(axis=0) for person in people])
    means /= np.linalg.norm(means, axis=1, keepdims=True).clip(1e-12)
    cosine = unit @ means.T
    own = cosine[np.arange(len(unit)), np.searchsorted(people, labels)]
    shape = {
        "compactness_deg": float(np.degrees(np.arccos(own.clip(-1, 1))).mean()),
        "nearest": float((people[cosine.argmax(axis=1)] == labels).mean()),
    }
    if raw.shape[1] == 3:
        groups = [unit[labels == person] for person in people]
        tangent = [group - (group @ mean)[:, None] * mean for group, mean in zip(groups, means, strict=True)]
        shape["ratio"] = float(np.mean([_ratio(rows) for rows in tangent]))
        normal = np.random.default_rng(SEED).standard_normal((200, len(groups[0]), 2))
        shape["ratio_null"] = float(np.mean([_ratio(rows) for rows in normal]))
    return shape


def _ratio(rows: np.ndarray) -> float:
    """Second over first eigenvalue of the covariance (n, 2) or of (n, 3) that lies in a plane; 1 without scatter."""
    import numpy as np

    values = np.linalg.eigvalsh(np.cov(rows.T))[::-1]
    return float(values[1] / values[0]) if values[0] > 1e-12 else 1.0
