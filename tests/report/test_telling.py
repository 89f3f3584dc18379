"""What tells rows apart in words."""

import pandas as pd
import pytest

from bench.report.labels import baseline_label, signed, telling

TUNED = pd.DataFrame({"margin": ["a", "b", "a", "b"], "lr": [0.1, 0.2, 0.1, 0.2], "λ": [0, 0, 1, 2], "s": [1, 1, 1, 1]})


@pytest.mark.parametrize(
    ("frame", "axes", "found"),
    [
        (TUNED, ["margin", "lr", "λ", "s"], ["margin", "λ"]),
        (TUNED, ["s", "lr", "margin", "λ"], ["lr", "λ"]),
        (TUNED[:2], ["λ", "margin", "lr"], ["margin"]),
        (TUNED[:1], ["margin", "λ"], []),
        (pd.DataFrame({"gate": [None, "x", None], "m": [1, 1, 2]}), ["gate", "m"], ["gate", "m"]),
    ],
)
def test_an_axis_is_named_if_it_tells_rows_apart_that_those_before_do_not(frame, axes, found):
    assert telling(frame, axes) == found


def test_trials_are_measured_against_no_term_only_where_the_term_is_searched():
    assert baseline_label({"space": {"margin.m": {}, "enhancement.gate.gamma": {}}}) == "λ = 0"
    assert baseline_label({"space": {"margin.m": {}}}) == "as written"


def test_a_difference_has_its_sign():
    assert [signed(value, 2) for value in (0.258, -1.942, 0.0)] == ["+0.26", "−1.94", "+0.00"]
