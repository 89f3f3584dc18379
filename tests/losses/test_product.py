"""The product that owns its gradient, against the same reduction written out and differentiated by autograd."""

from __future__ import annotations

import pytest
import torch
from loss_heads import generator
from torch.nn.functional import normalize, softplus
from torch.testing import assert_close

from bench.losses import product
from bench.losses.product import Product, Reduction, reduce_others
from bench.losses.shards import ALONE

CLASSES, DIMENSION = 5, 4
rows = torch.tensor([0, 3, 3, 1, 4, 0, 3])


def drawn(*shape, seed):
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


REDUCTIONS = {
    "log of the sum": lambda bias: Reduction(3.0),
    "reweighed": lambda bias: Reduction(3.0, negative=lambda c, samples: (c * (c + 0.3)).where(c > 0.1, c)),
    "of their samples": lambda bias: Reduction(3.0, negative=lambda c, samples: c * (1 + rows[samples])[:, None]),
    "sum of costs": lambda bias: Reduction(3.0, cost=lambda logits: softplus(logits + bias)),
    "reweighed costs": lambda bias: Reduction(1.0, lambda c, samples: c**3, lambda logits: softplus(bias * logits)),
}


def written_out(left, centres, bias, reduction, unit):
    """Own centres, the reduced others, and the largest of their logits, from all products at once."""
    centres = centres if centres.ndim == 3 else centres[:, None]
    products = torch.einsum("bd,ckd->bck", left, normalize(centres, dim=2) if unit else centres).amax(dim=2)
    logits = reduction.logits(products, slice(None))
    others = torch.ones_like(logits).scatter(1, rows[:, None], 0).bool()
    hardest = logits.where(others, -torch.inf).amax(dim=1)
    if reduction.cost is None:
        return logits.where(others, -torch.inf).logsumexp(dim=1), hardest
    return (reduction.cost(logits) * others).sum(dim=1), hardest


@pytest.mark.parametrize("kind", REDUCTIONS)
@pytest.mark.parametrize("sub", [None, 3], ids=["one centre", "three centres"])
@pytest.mark.parametrize("unit", [True, False], ids=["unit", "raw"])
@pytest.mark.parametrize("block", [None, 2], ids=["whole", "in blocks"])
def test_values_and_gradients_are_those_of_the_reduction_written_out(monkeypatch, kind, sub, unit, block):
    monkeypatch.setattr(product, "CHUNK", 2 * CLASSES)  # a few samples at a time
    shape = (CLASSES, DIMENSION) if sub is None else (CLASSES, sub, DIMENSION)
    inputs = [drawn(7, DIMENSION, seed=1), 2 * drawn(*shape, seed=2), torch.tensor(0.7, dtype=torch.float64)]
    to_own, to_total = drawn(7, *shape[1:], seed=3), drawn(7, seed=4)
    found, expected = [[value.clone().requires_grad_() for value in inputs] for _ in range(2)]

    reduction = REDUCTIONS[kind](found[2])
    asked = Product(rows, unit, block, ALONE, lambda own, log_sum_exp: reduction)
    own, total, hardest = reduce_others(found[0], found[1], asked, [found[2]])
    ((own * to_own).sum() + (total * to_total).sum()).backward()

    slow_total, slow_hardest = written_out(*expected, REDUCTIONS[kind](expected[2]), unit)
    slow_own = expected[1][rows]
    ((slow_own * to_own).sum() + (slow_total * to_total).sum()).backward()

    for one, other in ((own, slow_own), (total, slow_total), (hardest, slow_hardest)):
        assert_close(one, other, rtol=1e-12, atol=1e-12)
    for one, other in zip(found, expected, strict=True):
        assert_close(one.grad, torch.zeros_like(one) if other.grad is None else other.grad, rtol=1e-10, atol=1e-12)


def test_a_margin_may_ask_for_the_others_before_it_says_how_they_are_reduced():
    left, centres = normalize(drawn(7, DIMENSION, seed=1)), drawn(CLASSES, DIMENSION, seed=2)
    told = []

    def begin(own, log_sum_exp):
        told.append((own, log_sum_exp(2.0)))
        return Reduction(5.0)

    reduce_others(left, centres, Product(rows, True, None, ALONE, begin), [])
    ((own, at_two),) = told
    assert torch.equal(own, centres[rows])
    assert_close(at_two, written_out(left, centres, None, Reduction(2.0), True)[0], rtol=1e-12, atol=0)
