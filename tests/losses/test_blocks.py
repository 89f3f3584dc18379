"""Blockwise softmax: blocks of any size give the whole matrix's loss and gradients, and never hold that matrix."""

from __future__ import annotations

import pytest
import torch
from allocations import Allocations
from loss_heads import admits, enhancement, generator, head, label_of, margin, margins_and_choices
from torch.testing import assert_close

from bench.losses.product import Product, Reduction, reduce_others
from bench.losses.shards import ALONE

classes, embedding = 11, 5
labels = torch.tensor([7, 0, 7, 3, 10, 2])
sizes = [1, 3, classes - 1, classes, classes + 5]
each_size = pytest.mark.parametrize("block", sizes)
each_margin = pytest.mark.parametrize("chosen", margins_and_choices(), ids=label_of)
close = {"rtol": 1e-10, "atol": 1e-12}


def results(chosen, **more):
    """Value, per-sample results and every gradient and state of two steps."""
    gate = "posterior" if admits(chosen, "posterior") else "uniform"
    real, found = head(chosen, enhancement(0.3, gate), classes=classes, embedding=embedding, **more), []
    for step in range(2):
        x = (torch.randn(len(labels), embedding, generator=generator(step), dtype=torch.float64) * 3).requires_grad_()
        out = real(x, labels, step=step)
        out.loss.backward()
        found += [out.loss.detach(), out.term, out.pull, out.target_angle, x.grad]
        found += [] if out.posterior is None else [out.posterior]
        for value in real.trainable():
            found.append(value.grad)
            value.grad = None
    return found + [value.detach() for value in real.margin.state.values()]


@each_margin
@each_size
@pytest.mark.parametrize("share", [1.0, 0.6])
def test_any_block_is_the_whole(chosen, block, share):
    for one, whole in zip(results(chosen, block=block, share=share), results(chosen, share=share), strict=True):
        assert_close(one, whole, **close)


@each_margin
def test_a_single_class_has_blocks_too(chosen):
    x, found = torch.randn(3, embedding, generator=generator(0), dtype=torch.float64), []
    for block in (None, 1, 4):
        real, probe = head(chosen, classes=1, embedding=embedding, block=block), x.clone().requires_grad_()
        out = real(probe, torch.zeros(3, dtype=torch.int64), step=0)
        out.loss.backward()
        found.append((out.loss.detach(), probe.grad, real.centres.grad))
    for other in found[1:]:
        for one, whole in zip(other, found[0], strict=True):
            assert_close(one, whole, **close)


def dense(left, centres, rows, unit, scale, negative, cost):
    """The same by the whole matrix and autograd: own centres, reduced others, the largest other logit."""
    several = centres if centres.ndim == 3 else centres[:, None]
    if unit:
        several = several / several.norm(dim=2, keepdim=True)
    products = torch.einsum("bd,nkd->bnk", left, several).amax(dim=2)
    logits = products if negative is None else negative(products)
    logits = logits * scale
    own = torch.zeros_like(logits, dtype=torch.bool).scatter_(1, rows[:, None], True)
    hardest = logits.masked_fill(own, -torch.inf).amax(dim=1)
    if cost is None:
        return centres[rows], logits.masked_fill(own, -torch.inf).logsumexp(dim=1), hardest
    return centres[rows], cost(logits).masked_fill(own, 0.0).sum(dim=1), hardest


@each_size
@pytest.mark.parametrize("unit", [True, False])
@pytest.mark.parametrize("sub", [None, 1, 3])
@pytest.mark.parametrize("form", ["softmax", "reweighed", "costs", "reweighed costs"])
def test_product_and_its_gradients_are_those_of_the_whole_matrix(block, unit, sub, form):
    """With sub-centres, negatives that are changed, costs, and learned values that both read."""
    shape = (classes, embedding) if sub is None else (classes, sub, embedding)
    bias, slope = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (0.3, 1.4))

    def negative(products):
        return products * products * slope + products

    def cost(logits):
        return torch.nn.functional.softplus(logits - bias)

    one, other = "reweighed" in form, "costs" in form
    left = torch.randn(len(labels), embedding, generator=generator(1), dtype=torch.float64, requires_grad=True)
    centres = torch.randn(shape, generator=generator(2), dtype=torch.float64, requires_grad=True)
    learned = [value for value, used in ((slope, one), (bias, other)) if used]
    reduction = Reduction(2.5, (lambda products, _: negative(products)) if one else None, cost if other else None)
    product = Product(labels, unit, block, ALONE, lambda own, log_sum_exp: reduction)
    found = reduce_others(left, centres, product, learned)
    expected = dense(left, centres, labels, unit, 2.5, negative if one else None, cost if other else None)
    weights = [torch.randn(part.shape, generator=generator(5), dtype=torch.float64) for part in expected[:2]]
    gradients = []
    for own, total, _ in (found, expected):
        loss = (own * weights[0]).sum() + (total * weights[1]).sum()
        gradients.append(torch.autograd.grad(loss, [left, centres, *learned]))
    for real, slow in zip([*found, *gradients[0]], [*expected, *gradients[1]], strict=True):
        assert_close(real, slow, **close)


def allocations(*, block, embedding, batch, share=1.0):
    real = head(margin("arcface"), classes=1000, embedding=embedding, block=block, share=share, dtype=torch.float32)
    x = torch.randn(batch, embedding, generator=generator(0)).requires_grad_()
    with Allocations() as made:
        real(x, torch.arange(batch), step=0).loss.backward()
    return made


def test_with_blocks_the_logits_are_never_whole():
    """64 samples, 1,000 classes, blocks of 50: nothing is larger than a block or, at 4 a class, the gradient."""
    assert max(allocations(block=50, embedding=4, batch=64).numbers) == 1000 * 4
    assert max(allocations(block=50, embedding=4, batch=64, share=0.5).numbers) == 64 * 50
    assert max(allocations(block=None, embedding=4, batch=64).numbers) == 64 * 1000


@pytest.mark.parametrize("block", [None, 50])
def test_the_gradient_is_the_one_copy_of_all_centres(block):
    made = allocations(block=block, embedding=256, batch=8).numbers
    assert [number for number in made if number >= 1000 * 256] == [1000 * 256]


def test_the_logits_are_made_once_where_chunks_are_small(monkeypatch):
    monkeypatch.setattr("bench.losses.product.CHUNK", 4096)
    made = allocations(block=None, embedding=4, batch=64).numbers
    assert [number for number in made if number >= 64 * 1000] == [64 * 1000]


def test_blocks_multiply_once_more_and_the_whole_does_not():
    """To the products, to the embeddings' gradient and to the centres'; with 20 blocks twice to the products."""
    assert allocations(block=None, embedding=4, batch=64).products == 3
    assert allocations(block=1000, embedding=4, batch=64).products == 3
    assert allocations(block=50, embedding=4, batch=64).products == 20 * 4
