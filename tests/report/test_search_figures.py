"""The figures of a search: what they show is in their data, and nothing is drawn of what is not there."""

from itertools import pairwise
from types import SimpleNamespace

import pytest

from bench.catalog import FIGURES
from bench.report.figures import _search
from bench.report.figures._plot import style
from tests.report.searches import ONE, SPACE, record

NAMES = ["search_history", "search_slice", "search_contour", "search_parallel", "search_importance", "search_pareto"]
TWO = ("enhancement.strength", "margin.m")
THREE = ("accuracy", "isotropy", "cost")


def draw(name, search):
    with style():
        made = FIGURES.get(name).function(SimpleNamespace(search=search))
        if made is not None:
            made.figure.draw_without_rendering()  # a warning is an error
    return made


@pytest.mark.parametrize("name", NAMES)
def test_without_a_search_nothing_is_drawn(name):
    assert draw(name, None) is None


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_is_drawn_where_it_has_something_to_say(name):
    search = record(trials=14, objectives=("accuracy", "cost"), labels=("arcface", "cos$face$"))
    made = draw(name, search)
    assert set(made.data["study"]) == {"arcface", "cos$face$"}
    assert made.figure.get_figwidth() <= 7.0


@pytest.mark.parametrize(("name", "drawn"), [(n, n in ("search_history", "search_slice")) for n in NAMES])
def test_of_one_parameter_there_are_no_pairs_and_no_importance(name, drawn):
    assert (draw(name, record(trials=12, names=ONE)) is not None) == drawn


@pytest.mark.parametrize("name", NAMES)
def test_one_trial_alone_or_none_finished_breaks_nothing(name):
    draw(name, record(trials=1))
    lost = record(trials=2)
    for trial in lost["studies"][0]["trials"]:
        trial |= {"state": "failed", "values": None, "intermediate": {}}
    lost["studies"][0] |= {"best": [], "baseline": None, "baseline_interval": None}
    draw(name, lost)


def test_the_data_hold_every_trial_in_the_unit_shown():
    search = record(trials=12)
    data = draw("search_history", search).data
    assert list(data["trial"]) == [-1, *range(12)]
    assert data["state"].iloc[0] == "baseline"
    for trial, shown in zip(search["studies"][0]["trials"], data["value"].iloc[1:], strict=True):
        if trial["state"] == "complete":
            assert shown == pytest.approx(100 * trial["values"][0])
        elif trial["state"] == "pruned":
            assert shown == pytest.approx(100 * trial["intermediate"]["3"])
        else:
            assert shown != shown  # NaN
    absent = data[data["enhancement.gate"].isin(["posterior", "flat"])]
    assert absent["enhancement.gate.gamma"].isna().all()


def test_the_best_so_far_never_falls_and_ends_at_the_best():
    search = record(trials=20)
    (ax,) = draw("search_history", search).figure.axes
    step = next(line for line in ax.lines if line.get_drawstyle() == "steps-post").get_ydata()
    assert all(a <= b for a, b in pairwise(step))
    best = search["studies"][0]["trials"][search["studies"][0]["best"][0]]
    assert step[-1] == pytest.approx(100 * best["values"][0])


def test_the_strength_is_placed_by_its_logarithm_and_choices_by_their_order():
    scale = _search.Scale("enhancement.strength", SPACE["enhancement.strength"])
    assert scale.ends == (-4, 0)
    assert scale.ticks() == ([-4, -3, -2, -1, 0], ["1e-4", "1e-3", "0.01", "0.1", "1"])
    assert scale.unit(1e-2) == pytest.approx(0.5)
    gate = _search.Scale("enhancement.gate", SPACE["enhancement.gate"])
    assert [gate.place(choice) for choice in ("posterior", "spectral", "flat")] == [0, 1, 2]


def test_importance_is_seeded_and_leaves_out_what_some_trials_do_not_have():
    search = record(trials=20)
    first, again = (draw("search_importance", search).data for _ in range(2))
    assert first.equals(again)
    assert "enhancement.gate.gamma" not in set(first["parameter"])
    shares = first[first["method"] == "fANOVA"]["importance"]
    assert shares.sum() == pytest.approx(1.0)


def test_a_parameter_that_decides_alone_is_found():
    search = record(trials=20, names=TWO, whole=True)
    for trial in search["studies"][0]["trials"]:
        trial["values"] = [trial["params"]["margin.m"]]
    data = draw("search_importance", search).data.set_index(["method", "parameter"])["importance"]
    assert data["fANOVA", "margin.m"] > 0.9
    assert data["PED-ANOVA", "margin.m"] > data["PED-ANOVA", "enhancement.strength"]


def test_the_front_is_marked():
    search = record(trials=20, objectives=THREE)
    figure = draw("search_pareto", search).figure
    first = figure.axes[0]
    front = next(line for line in first.lines if line.get_markersize() == 5.5)
    assert len(front.get_xdata()) == len(search["studies"][0]["best"])
    assert "cost (multiply-adds) ← better" in {ax.get_ylabel() for ax in figure.axes}
