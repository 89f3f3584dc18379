"""Labels of axis values: as short as tells them apart."""

from bench.suite.labels import axis_label


def labels(*values):
    return [axis_label(value, values) for value in values]


def test_a_name_alone_where_no_other_has_it():
    assert labels({"name": "arcface", "m": 0.3}, "cosface", None, 0.5) == ["arcface", "cosface", "none", "0.5"]


def test_values_of_one_name_are_told_by_what_differs_among_them_alone():
    both = {"name": "arcface", "s": 32, "m": 0.2}, {"name": "arcface", "s": 32, "m": 0.3}
    assert labels(*both, "normface") == ["arcface(m=0.2)", "arcface(m=0.3)", "normface"]
    assert labels(both[0], {**both[0], "margin_gradient": "straight_through"}) == [
        "arcface",
        "arcface(margin_gradient=straight_through)",
    ]
    assert labels("arcface", {"name": "arcface", "m": 0.3}) == ["arcface", "arcface(m=0.3)"]


def test_different_values_never_read_alike():
    values = [{"name": "a", "x": 1, "y": 1}, {"name": "a", "x": 1, "y": 2}, {"name": "a", "x": 2}, "a"]
    assert len(set(labels(*values))) == len(values)
