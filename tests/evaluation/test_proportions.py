"""The textbook intervals against two packages."""

import numpy as np
import pytest
from scipy.stats import binomtest
from statsmodels.stats.proportion import proportion_confint

from bench.errors import DataError
from bench.evaluation import clopper_pearson, wilson


@pytest.mark.parametrize(("successes", "trials"), [(0, 1), (1, 1), (0, 50), (3, 50), (50, 50), (5976, 6000)])
@pytest.mark.parametrize("level", [0.5, 0.95, 0.999])
def test_both_agree_with_scipy_and_statsmodels(successes, trials, level):
    for ours, scipy_name, statsmodels_name in ((wilson, "wilson", "wilson"), (clopper_pearson, "exact", "beta")):
        found = ours(successes, trials, level=level)
        theirs = binomtest(successes, trials).proportion_ci(level, method=scipy_name)
        assert found == pytest.approx((theirs.low, theirs.high), rel=1e-9, abs=1e-15)
        low, high = proportion_confint(successes, trials, alpha=1 - level, method=statsmodels_name)
        assert found == pytest.approx((low, high), rel=1e-9, abs=1e-15)
        assert 0 <= found[0] <= successes / trials <= found[1] <= 1


def test_the_ends_are_exact():
    assert wilson(0, 7)[0] == clopper_pearson(0, 7)[0] == 0
    assert wilson(7, 7)[1] == clopper_pearson(7, 7)[1] == 1
    assert np.isscalar(wilson(3, 7)[0])


@pytest.mark.parametrize(("successes", "trials"), [(-1, 5), (6, 5), (0, 0)])
def test_impossible_counts_are_refused(successes, trials):
    for interval in (wilson, clopper_pearson):
        with pytest.raises(DataError, match=f"found {successes} of {trials}"):
            interval(successes, trials)
        with pytest.raises(DataError, match="level must lie in"):
            interval(1, 2, level=95)
