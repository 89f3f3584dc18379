"""ElasticFace: what is drawn, when, within which bounds, and who gets which margin."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
import torch
from loss_heads import all_angles, generator, head, margin, psi_of
from torch.testing import assert_close

from bench.losses.margin import Margin
from bench.losses.types import MarginInput, Moment

arcs, coses = ("elasticface_arc", "elasticface_arc_plus"), ("elasticface_cos", "elasticface_cos_plus")
each_name = pytest.mark.parametrize("name", [*arcs, *coses])
each_plus = pytest.mark.parametrize("name", ["elasticface_arc_plus", "elasticface_cos_plus"])


def cosines(size, seed):
    return torch.rand(size, generator=generator(seed), dtype=torch.float64) * 2 - 1


def margins(name, cosine, *, step=5, seed=1, **given):
    batch = MarginInput(cosine, torch.ones_like(cosine), cosine.long(), {}, Moment(step, seed))
    return Margin(margin(name, **given)).values(batch)["m"]


def rank_correlation(a, b):
    """Spearman's, by NumPy alone."""
    ranks = [np.argsort(np.argsort(values.numpy())) for values in (a, b)]
    return np.corrcoef(*ranks)[0, 1]


@each_name
def test_without_spread_it_is_its_parent(name):
    x, labels = torch.randn(7, 5, generator=generator(1), dtype=torch.float64), torch.arange(7) % 6
    parent = "arcface" if name in arcs else "cosface"
    found = []
    for block in (margin(name, m=0.4, sigma=0), margin(parent, m=0.4)):
        real, probe = head(block), x.clone().requires_grad_()
        out = real(probe, labels, step=3)
        out.loss.backward()
        found.append((out.loss, out.pull, probe.grad, real.centres.grad))
    for one, other in zip(*found, strict=True):
        assert_close(one, other, rtol=1e-10, atol=1e-12)


@each_name
def test_draws_belong_to_the_step_and_the_seed(name):
    x, labels = torch.randn(7, 5, generator=generator(1), dtype=torch.float64), torch.arange(7) % 6
    losses = [head(margin(name), seed=seed)(x, labels, step=step).loss for seed, step in ((0, 3), (0, 3), (0, 4))]
    assert torch.equal(losses[0], losses[1])
    assert losses[0] != losses[2]
    one, other = (margins(name, cosines(7, 0), seed=seed) for seed in (1, 2))
    assert not torch.equal(one, other)
    with pytest.raises(ValueError, match="call the head with step="):
        head(margin(name))(x, labels)


@each_name
def test_global_random_state_is_neither_read_nor_touched(name):
    x, labels = torch.randn(7, 5, generator=generator(1), dtype=torch.float64), torch.arange(7) % 6
    real, losses = head(margin(name)), []
    for seed in (1, 2):
        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        random.seed(seed)
        before = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()  # noqa: NPY002
        losses.append(real(x, labels, step=3).loss)
        assert torch.equal(torch.get_rng_state(), before[0])
        assert np.random.get_state()[1].tolist() == before[1]  # noqa: NPY002
        assert random.getstate() == before[2]
    assert torch.equal(*losses)


@each_name
def test_margins_have_the_stated_mean_and_spread(name):
    found = margins(name, cosines(20_000, 0), m=0.4, sigma=0.05)
    assert abs(found.mean() - 0.4) < 0.002
    assert abs(found.std() - 0.05) < 0.001


def test_all_variants_share_their_draws():
    """Rows of a table differ by what is done with the draws, not by the draws; nor does the dtype change them."""
    cosine = cosines(50, 0)
    plain, plus = (margins(name, cosine, m=0.4, sigma=0.05) for name in arcs)
    assert torch.equal(plain, margins(coses[0], cosine, m=0.4, sigma=0.05))
    assert torch.equal(plain.sort().values, plus.sort().values)
    short = margins(arcs[0], cosine.float(), m=0.4, sigma=0.05)
    assert short.dtype == torch.float32
    assert_close(short.double(), plain, rtol=1e-6, atol=0)


@each_name
def test_margins_are_cut_off_so_that_the_logit_never_rises(name):
    most = math.pi / 2 if name in arcs else 1.0
    found = margins(name, cosines(2000, 0), m=0.4, sigma=2.0)
    assert found.min() == 0
    assert found.max() == most
    for seed in range(20):
        values = psi_of(margin(name, m=0.4, sigma=2.0), seed=seed)(all_angles)
        assert (values.diff() <= 1e-12).all()
        assert (values <= all_angles.cos() + 1e-12).all()


@each_plus
def test_the_farthest_sample_gets_the_largest_margin(name):
    for step in range(20):
        cosine = cosines(64, step)
        assert_close(rank_correlation(cosine, margins(name, cosine, step=step)), -1.0, rtol=0, atol=1e-12)


@each_plus
def test_as_released_the_margins_are_in_effect_random(name):
    """Over 300 batches of 128 the mean of the rank correlation has a standard error of .005."""
    found = []
    for step in range(300):
        cosine = cosines(128, step)
        released = margins(name, cosine, step=step, as_released=True)
        assert torch.equal(released.sort().values, margins(name, cosine, step=step).sort().values)
        found.append(rank_correlation(cosine, released))
    assert abs(np.mean(found)) < 0.025
    assert 0.07 < np.std(found) < 0.11


@each_plus
def test_as_released_is_the_authors_indexing(name):
    """Four samples by hand: their sort of the cosines, largest first, picks among the margins, smallest first."""
    cosine = torch.tensor([0.1, 0.9, -0.3, 0.5], dtype=torch.float64)
    smallest_first = margins(name.removesuffix("_plus"), cosine, sigma=0.02).sort().values
    released = margins(name, cosine, sigma=0.02, as_released=True)
    assert torch.equal(released, smallest_first[[1, 3, 0, 2]])
    assert torch.equal(margins(name, cosine, sigma=0.02), smallest_first[[2, 0, 3, 1]])


@each_plus
def test_samples_alike_are_told_apart_by_their_place(name):
    cosine = torch.full((600,), 0.3, dtype=torch.float64)
    found = margins(name, cosine)
    assert torch.equal(found, found.sort().values)
