"""False accept rates are exact, and each has one spelling."""

from fractions import Fraction

import pytest

from bench.errors import DataError
from bench.evaluation.rates import exact_rate, rate_text


def test_rates_have_one_spelling():
    names = [rate_text(exact_rate(far)) for far in ("0.001", 1e-3, "1.50e-2", Fraction(1, 3), 0.5)]
    assert names == ["1e-3", "1e-3", "1.5e-2", "1/3", "5e-1"]


@pytest.mark.parametrize("far", ["abc", 0, 1, -0.1, float("nan"), float("inf"), "1/0"])
def test_a_rate_outside_its_range_is_refused(far):
    with pytest.raises(DataError, match="false accept rate must"):
        exact_rate(far)
