"""Every sentence of the summary, from numbers made up for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import pytest

from bench.report.effects import COLUMNS
from bench.report.summary import Summary, summarise
from bench.report.table import OWN_DERIVATION

Runs = dict[tuple[str, str], Sequence[float | str]]
"""(margin, λ) → for each seed the accuracy on LFW, or how the run ended instead."""


def frame_of(runs: Runs) -> pd.DataFrame:
    rows = []
    for (margin, strength), ends in runs.items():
        for seed, end in enumerate(ends):
            done = not isinstance(end, str)
            rows.append({
                "run": f"{margin}{strength}{seed}", "cell": f"{margin}-{strength}", "baseline": f"{margin}-0",
                "seed": seed, "status": "done" if done else end, "margin": margin, "enhancement.strength": strength,
                "strength": float(strength), "execution_class": '{"device":"cpu"}' if done else None,
                "lfw.accuracy": end if done else float("nan"),
            })  # fmt: skip
    return pd.DataFrame(rows)


PLAN = {
    "axes": ["margin", "enhancement.strength"], "protocols": ["lfw", "ytf"], "report": {"digits": 2, "metrics": []},
}  # fmt: skip


def effect(margin: str, strength: str, difference: float, p: float | None, **change: Any) -> dict[str, Any]:
    row = {
        "cell": f"{margin}-{strength}", "baseline": f"{margin}-0", "protocol": "lfw", "metric": "accuracy",
        "effect": difference, "low": difference - 0.5, "high": difference + 0.5, "p": p, "p_holm": p, "seeds": 5,
        "method": "paired t over seeds",
    }  # fmt: skip
    return {**row, **change}


def summary_of(runs: Runs, effects: Sequence[dict[str, Any]] = (), search: Any = None) -> Summary:
    table = pd.DataFrame(list(effects), columns=list(COLUMNS)).astype({"p_holm": "float64", "low": "float64"})
    return summarise(frame_of(runs), PLAN, table, search)


PAIR: Runs = {("arcface", "0"): [0.9, 0.9], ("arcface", "0.1"): [0.92, 0.92]}


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        (PAIR, "All 4 planned runs finished: 2 configurations, 2 seeds each."),
        ({("arcface", "0"): [0.9]}, "The planned run finished: 1 configuration, 1 seed each."),
        (
            {("arcface", "0"): [0.9, "failed"], ("arcface", "1"): ["missing"]},
            "1 of the 3 planned runs finished (2 configurations, 1 to 2 seeds each); 1 failed and 1 missing. "
            "What has no result is in no mean; each is listed below with its reason.",
        ),
        (
            {("arcface", "0"): ["failed", "cancelled", "missing"]},
            "None of the 3 planned runs has a result (1 failed, 1 cancelled and 1 missing): "
            "there is nothing to report yet.",
        ),
    ],
)
def test_how_the_runs_ended(runs: Runs, said: str) -> None:
    assert summary_of(runs).runs == said


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        (
            {("arcface", "0"): [0.90, 0.92], ("arcface", "0.1"): [0.93, 0.93]},
            "LFW: the highest mean accuracy is 93.00 % (95 % interval 93.00 to 93.00, 2 seeds), of λ 0.1; "
            "next is λ 0, 2.00 points lower.",
        ),
        (
            {("arcface", "0"): [0.9], ("cosface", "0"): [0.8]},
            "LFW: the highest mean accuracy is 90.00 % (one seed, so no interval), of arcface; "
            "next is cosface, 10.00 points lower.",
        ),
        (
            {("arcface", "0"): [0.9], ("cosface", "0"): [0.900001], ("arcface", "1"): [0.5]},
            "LFW: the highest mean accuracy, 90.00 % (one seed, so no interval), is that of "
            "cosface, λ 0; and arcface, λ 0.",
        ),
        (
            {("arcface", "0"): [0.97, 1.0, 0.99]},
            "LFW: arcface reaches a mean accuracy of 98.67 % (95 % interval 94.87 to 100.00, 3 seeds); "
            "nothing else was measured.",
        ),
    ],
)
def test_the_best_of_a_protocol(runs: Runs, said: str) -> None:
    assert summary_of(runs).best == (said,)


def test_a_significant_difference_is_told_with_its_direction_and_interval() -> None:
    found = summary_of(PAIR, [effect("arcface", "0.1", -1.5, 0.0004)])
    assert found.term == (
        "arcface: 1 comparison with the same configuration at λ = 0. 1 difference is significant after Holm "
        "correction over 1 comparison: λ 0.1 is 1.50 points lower on LFW (95 % interval −2.00 to −1.00, 5 seeds, "
        "adjusted p < 0.001).",
    )


def test_what_is_not_significant_is_not_called_a_difference() -> None:
    found = summary_of(PAIR, [effect("arcface", "0.1", 1.5, 0.05), effect("arcface", "0", -0.25, 0.9)])
    assert found.term == (
        "arcface: 2 comparisons with the same configuration at λ = 0. In all 2 no difference could be shown "
        "(mean differences from −0.25 to +1.50 points).",
    )
    assert "That no difference could be shown does not mean that there is none." in found.caveats
    assert not any(word in found.term[0] for word in ("higher", "lower", "significant"))


def test_the_largest_are_told_and_the_rest_counted() -> None:
    runs: Runs = {("arcface", str(strength)): [0.9, 0.9] for strength in range(7)}
    shown = [effect("arcface", str(strength), float(strength), 0.01) for strength in range(1, 6)]
    found = summary_of(runs, [*shown, effect("arcface", "6", 9.0, 0.2), effect("arcface", "0", 0.0, None)]).term[0]
    assert "5 differences are significant after Holm correction over 7 comparisons: λ 5 is 5.00 points" in found
    assert found.index("λ 5 is") < found.index("λ 4 is") < found.index("λ 3 is")
    assert "λ 2 is" not in found
    assert "; and 2 more." in found
    assert "In the other 1 no difference could be shown (mean difference +9.00 points)." in found
    assert found.endswith(
        "1 could not be tested, for want of seeds or of any spread among them (mean difference +0.00 points): "
        "nothing follows from them."
    )


def test_a_margin_each_in_the_order_of_the_plan() -> None:
    runs: Runs = {("cosface", "0"): [0.9], ("arcface", "0"): [0.9], ("cosface", "1"): [0.9], ("arcface", "1"): [0.9]}
    found = summary_of(runs, [effect("arcface", "1", 1.0, 0.5), effect("cosface", "1", 1.0, 0.5)]).term
    assert [text.partition(":")[0] for text in found] == ["cosface", "arcface"]


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        ({("arcface", "0"): [0.9], ("arcface", "1"): [0.9, 0.9]}, "Some means are over 1 seed only:"),
        ({("arcface", "0"): [0.9] * 4}, "Every mean is over 4 seeds only:"),
        (PAIR, "The best of 2 configurations was picked by the very numbers shown,"),
        ({("arcface", "0"): [0.54]}, "LFW: 1 of 1 configuration near chance (accuracy below 55 %):"),
        ({("arcface", "0"): [0.995]}, "LFW: 1 of 1 configuration near the ceiling (accuracy of 99.5 % or more):"),
        ({("arcface", "0"): [0.9, "failed"]}, "A configuration of which runs failed is judged by those that did not"),
        ({("arcface", "0"): [0.9], ("arcface", "1"): ["failed"]}, "1 configuration without any finished run"),
        (PAIR, OWN_DERIVATION),
    ],
)
def test_a_limit_is_told(runs: Runs, said: str) -> None:
    assert [text for text in summary_of(runs).caveats if text.startswith(said)]


def test_flags_of_the_table_are_counted_in_place_of_bounds() -> None:
    flags = {("arcface-0", "lfw"): "†", ("arcface-0.1", "lfw"): "‡", ("arcface-0.1", "ytf"): "‡"}
    table = pd.DataFrame(columns=list(COLUMNS))
    found = summarise(frame_of({**PAIR, ("cosface", "0"): [0.5]}), PLAN, table, None, flags).caveats
    assert [text for text in found if text.startswith("LFW")] == [
        "LFW: 1 of 3 configurations near chance (‡ in the table): differences among them tell nothing of a loss.",
        "LFW: 1 of 3 configurations near the ceiling († in the table): hardly any room is left to differ.",
    ]


def test_nothing_is_said_to_limit_what_it_does_not() -> None:
    assert summary_of({("arcface", "0"): [0.9] * 5}).caveats == ()


def test_mixed_execution_classes_are_told() -> None:
    frame = frame_of(PAIR)
    frame.loc[0, "execution_class"] = '{"device":"cuda"}'
    found = summarise(frame, PLAN, pd.DataFrame(columns=list(COLUMNS)))
    assert any(text.startswith("Runs of 2 execution classes are mixed here") for text in found.caveats)


def test_a_search_is_told_with_what_it_tried_and_what_the_test_said() -> None:
    search = {
        "schema": 2, "text": "The best strength is 0.1.", "objectives": [{"where": "validation identities"}],
        "budget": {"trials": 40, "configurations": 31},
        "studies": [{"label": "", "final": {"best": "arcface-0.1", "baseline": "arcface-0"}}],
    }  # fmt: skip
    found = summary_of(PAIR, [effect("arcface", "0.1", 1.0, 0.2)], search)
    assert found.search == (
        "31 configurations in 40 trials were tried and judged on validation identities; "
        "what is reported was tested once, after the search.",
        "The best strength is 0.1.",
    )
    assert "A search picks what did best on validation, so its validation numbers are optimistic." in found.caveats
    assert any("it was not tested against the next" in text for text in found.caveats)
    fair = summary_of(PAIR, [], search | {"fair": "margin"})  # its words say how each winner did against each
    assert not any("it was not tested against the next" in text for text in fair.caveats)
    assert summary_of(PAIR, [], {"best": {}}).search == ()
    assert summary_of(PAIR).search == ()
