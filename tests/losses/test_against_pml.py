"""Value and gradients against pytorch-metric-learning, an independent implementation, in float64.

Where the two differ by definition, the comparison is made where they agree, and says how it gets there:

| margin            | there                        | difference, and what is done about it                   |
|-------------------|------------------------------|---------------------------------------------------------|
| softmax           | LargeMarginSoftmaxLoss, m=1  | none                                                    |
| normface          | NormalizedSoftmaxLoss        | temperature 1/s for s                                   |
| sphereface        | SphereFaceLoss               | whole m alone; ‖x‖ is a factor of the logits: made 1    |
| cosface           | CosFaceLoss                  | none                                                    |
| arcface           | ArcFaceLoss                  | m in degrees; past π only the fallback ``legacy``       |
| subcenter_arcface | SubCenterArcFaceLoss         | as arcface; one table of centres, a class's side by     |
|                   |                              | side                                                    |
| p2sgrad           | P2SGradLoss                  | mean over classes of squares: 2/C of ours. Its centres  |
|                   |                              | are made unit before every loss, outside of the         |
|                   |                              | gradient, which so keeps a radial part: taken away; and |
|                   |                              | but for an epsilon of 1e-7: compared to 1e-6            |

All take the mean over the batch, as ours do. Their angles are clamped to [−1, 1] and no further, so that a cosine of
exactly ±1 has no gradient there; no batch here has one. RegularFace is a term and is compared with the terms.
"""

from __future__ import annotations

import math

import pytest
import torch
from loss_heads import at_angle, generator, head, margin
from pytorch_metric_learning import losses
from torch.nn.functional import normalize
from torch.testing import assert_close

CLASSES, DIMENSION, S, M = 7, 6, 16.0, 0.5


def on_unit(loss):
    """A loss of embeddings that are made unit first."""
    return lambda x, labels: loss(normalize(x), labels)


def as_it_is(loss):
    return loss


def large_margin(kind, **options):
    made = kind(num_classes=CLASSES, embedding_size=DIMENSION, **options)
    return made, made.W


def p2sgrad():
    made = losses.P2SGradLoss(descriptors_dim=DIMENSION, num_classes=CLASSES)
    return made, made.weight


def normface():
    made = losses.NormalizedSoftmaxLoss(num_classes=CLASSES, embedding_size=DIMENSION, temperature=1 / S)
    return made, made.W


degrees, legacy = math.degrees(M), {"s": S, "m": M, "fallback": "legacy"}
CASES = {
    "softmax": ({}, lambda: large_margin(losses.LargeMarginSoftmaxLoss, margin=1, scale=1), as_it_is, 1),
    "normface": ({"s": S}, normface, as_it_is, 1),
    "sphereface": ({"s": S, "m": 3}, lambda: large_margin(losses.SphereFaceLoss, margin=3, scale=S), on_unit, 1),
    "cosface": ({"s": S, "m": M}, lambda: large_margin(losses.CosFaceLoss, margin=M, scale=S), as_it_is, 1),
    "arcface": (legacy, lambda: large_margin(losses.ArcFaceLoss, margin=degrees, scale=S), as_it_is, 1),
    "subcenter_arcface": (
        {**legacy, "k": 3},
        lambda: large_margin(losses.SubCenterArcFaceLoss, margin=degrees, scale=S, sub_centers=3),
        as_it_is,
        1,
    ),
    "p2sgrad": ({}, p2sgrad, as_it_is, CLASSES / 2),
}
"""Name: our options, their loss and its centres, what is done to the embeddings, and ours over theirs."""


def centres(like):
    """Centres of unequal norms; for P2SGrad, which makes its own unit before every loss, unit."""
    drawn = torch.randn(like.shape, generator=generator(2), dtype=torch.float64)
    return drawn if drawn.ndim == 3 else drawn * torch.linspace(0.5, 2, len(drawn), dtype=torch.float64)[:, None]


def batches(W):
    """Embeddings at random, and at every angle to their own centre, with repeated and absent labels."""
    first = W.reshape(CLASSES, -1, DIMENSION)[:, 0]
    labels = torch.randint(0, CLASSES - 1, (40,), generator=generator(3))
    yield torch.randn(40, DIMENSION, generator=generator(4), dtype=torch.float64) * 3, labels
    yield at_angle(first[labels], torch.linspace(0.01, 3.13, 40, dtype=torch.float64), seed=5) * 0.7, labels


@pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")  # theirs, of numpy, when m is a power
@pytest.mark.parametrize("name", CASES)
def test_value_and_gradients_are_those_of_an_independent_implementation(name):
    options, make, prepared, ratio = CASES[name]
    real = head(margin(name, **options), classes=CLASSES, embedding=DIMENSION)
    W = centres(real.centres)
    if name == "p2sgrad":
        W = normalize(W)
    with torch.no_grad():
        real.centres.copy_(W)
    for x, labels in batches(W):
        theirs, their_centres = make()
        their_centres.data = W.reshape(-1, DIMENSION).T.clone()
        ours_x, their_x = x.clone().requires_grad_(), x.clone().requires_grad_()
        real.zero_grad()
        found, expected = real(ours_x, labels).loss, prepared(theirs)(their_x, labels)
        found.backward()
        expected.backward()
        gradient = their_centres.grad.T.reshape(W.shape)
        if name == "p2sgrad":
            gradient = gradient - (gradient * W).sum(1, keepdim=True) * W
        close = 1e-6 if name == "p2sgrad" else 1e-8
        for mine, other in ((found, expected), (ours_x.grad, their_x.grad), (real.centres.grad, gradient)):
            assert_close(mine, ratio * other, rtol=close, atol=close / 100)


def test_arcfaces_usual_continuation_differs_from_theirs_past_pi_alone():
    theirs, their_centres = CASES["arcface"][1]()
    real = head(margin("arcface", s=S, m=M), classes=CLASSES, embedding=DIMENSION)
    their_centres.data = real.centres.detach().T.clone()
    for angle, same in ((math.pi - M - 0.01, True), (math.pi - M + 0.01, False)):
        x = at_angle(real.centres.detach()[0], torch.tensor([angle], dtype=torch.float64), seed=6)
        label = torch.tensor([0])
        gap = theirs(x, label) - real(x, label).loss
        assert (gap.abs() < 1e-7) == same
        assert same or math.isclose(gap.item(), S * (M * math.sin(M) - 1 + math.cos(M)), rel_tol=1e-6)
