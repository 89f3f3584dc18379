"""A score is one number: against integers in plain Python, and wherever it is computed."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.errors import DataError, DeviceError
from bench.evaluation.cosines import PRODUCT_UNIT, STEPS, check_identities, on_device, steps, whole_rows
from tests.evaluation.exact import slow_cosine, slow_row


def scores(embeddings, device="cpu"):
    """All cosines (N, N) float64."""
    rows = on_device(whole_rows(embeddings), device).double()
    return (steps(rows @ rows.T) / STEPS).cpu().numpy()


@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.sampled_from(["normal", "small integers", "near copies"]))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_a_score_is_the_stated_number(seed, size, kind):
    draw = np.random.default_rng(seed)
    found = draw.normal(size=(5, size)).astype(np.float32)
    if kind == "small integers":
        found = draw.integers(1, 4, (5, size)) * draw.choice([-1, 1], (5, size))
    if kind == "near copies":
        found = found[:1] * draw.uniform(0.5, 2, (5, 1)) + draw.normal(0, 1e-7, (5, size))
    assert whole_rows(found).tolist() == [slow_row(row) for row in found]
    assert scores(found).tolist() == [[float(slow_cosine(a, b)) for b in found] for a in found]


def test_no_partial_sum_of_products_is_rounded():
    """Against integers, which do not round: with many coordinates, with a single one, and with copies."""
    draw = np.random.default_rng(0)
    for size in (1, 2, 512, 3000):
        embeddings = draw.normal(size=(40, size))
        embeddings[1] = -3 * embeddings[0]
        embeddings[2] = np.abs(embeddings[0])
        rows = whole_rows(embeddings)
        exact = rows.astype(object) @ rows.T.astype(object)
        product = on_device(rows, "cpu").double()
        assert (product @ product.T).tolist() == exact.tolist()
        reverse = product.flip(1)
        assert torch.equal(reverse @ reverse.T, product @ product.T)


def test_a_score_is_a_cosine_to_float32_precision():
    draw = np.random.default_rng(1)
    embeddings = draw.normal(size=(300, 512)).astype(np.float32)
    unit = embeddings.astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    found = scores(embeddings)
    assert np.abs(found - unit @ unit.T).max() < 7e-8
    assert (found.astype(np.float32) == found).all()
    assert (np.diag(found) == 1).all()
    assert (scores(np.concatenate([embeddings, -embeddings])).diagonal(300) == -1).all()


def test_a_score_stays_within_its_range_where_rounding_lengthens_both_rows():
    rows = torch.full((1, 512), round(2**26 / 512**0.5) + 1, dtype=torch.int32).double()
    product = rows @ rows.T
    assert product.item() > STEPS * PRODUCT_UNIT * (1 + 1e-7)
    assert steps(product).item() == STEPS
    assert steps(-product).item() == -STEPS


def test_rows_do_not_depend_on_their_place_or_their_neighbours():
    embeddings = np.random.default_rng(2).normal(size=(5000, 7)).astype(np.float32)
    rows = whole_rows(embeddings)
    order = np.random.default_rng(3).permutation(5000)
    assert (whole_rows(embeddings, order) == rows[order]).all()
    assert (whole_rows(embeddings[4990:]) == rows[4990:]).all()
    assert (whole_rows(np.asfortranarray(embeddings)) == rows).all()
    assert (whole_rows(embeddings * np.float32(4)) == rows).all()


def test_rows_that_have_no_direction_are_named_as_given():
    embeddings = np.ones((3000, 2), np.float32)
    embeddings[[7, 2500], 0] = [np.nan, np.inf]
    embeddings[9] = 0
    with pytest.raises(DataError, match=r"3 of 3000 embeddings are zero or not finite \(rows 7, 9, 2500\)$"):
        whole_rows(embeddings)
    with pytest.raises(DataError, match=r"rows 7, 9, 2500\)$"):
        whole_rows(embeddings, np.arange(3000)[::-1])
    with pytest.raises(DataError, match=r"7 of 7 .*rows 0, 1, 2, 3, 4, …\)$"):
        whole_rows(np.full((7, 2), 1e200))


@pytest.mark.parametrize(
    ("embeddings", "text"),
    [
        (np.ones(3), r"\(N, d\) with d ≥ 1, found \(3,\) float64"),
        (np.ones((3, 0)), r"found \(3, 0\)"),
        (np.ones((2, 2), complex), "complex128"),
        ([["a", "b"]], "<U1"),
    ],
)
def test_what_is_not_a_table_of_real_numbers_is_refused(embeddings, text):
    with pytest.raises(DataError, match=text):
        whole_rows(embeddings)


def test_identities_are_integers_one_for_each():
    assert check_identities(np.array([3, 1], np.uint8), 2).dtype == np.int64
    with pytest.raises(DataError, match=r"identities must be \(3,\) integers, found \(2,\) int64"):
        check_identities([1, 2], 3)
    with pytest.raises(DataError, match="float64"):
        check_identities([1.0, 2.0], 2)


@pytest.mark.parametrize(
    ("device", "text"), [("gpu", "found 'gpu'"), ("meta", "need float64 .* 'meta'"), ("cuda:99", "torch sees")]
)
def test_a_device_that_cannot_do_it_is_refused(device, text):
    with pytest.raises(DeviceError, match=text):
        on_device(np.ones((1, 1), np.int32), device)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_cuda_gives_the_same_bits():
    embeddings = np.random.default_rng(4).normal(size=(700, 300)).astype(np.float32)
    assert (scores(embeddings, "cuda") == scores(embeddings)).all()
