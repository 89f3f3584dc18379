"""Panels of a figure: side by side while they fit, in blocks below where they do not."""

import pytest

from bench.report.figures import _plot


@pytest.mark.parametrize(("panels", "blocks"), [(1, 1), (3, 1), (5, 1), (6, 2), (12, 3)])
def test_more_panels_than_fit_side_by_side_go_on_below(panels, blocks):
    titles = [f"margin {i}" for i in range(panels)]
    with _plot.style():
        figure, axes = _plot.panel_grid(["accuracy", "angle"], titles, row_height=1.4, xlabel="λ")
        figure.draw_without_rendering()
    assert axes.shape == (2, panels)
    assert len(figure.axes) == 2 * panels
    assert figure.get_size_inches()[0] <= _plot.PAGE_WIDTH
    tops = sorted({round(ax.get_position().y1, 3) for ax in figure.axes}, reverse=True)
    assert len(tops) == 2 * blocks
    assert all(ax.get_position().width > 0.08 for ax in figure.axes)
    assert [ax.get_title() for ax in axes[0]] == titles
    assert [ax.get_ylabel() for ax in axes[1]] == ["angle" if at % _plot.ACROSS == 0 else "" for at in range(panels)]
    assert [ax.get_xlabel() for ax in axes[1]] == ["λ"] * panels


def test_a_quantity_has_one_scale_in_all_panels_and_panels_share_their_x_axis():
    _, axes = _plot.panel_grid(["a", "b"], [str(i) for i in range(7)], row_height=1.4, xlabel="x")
    axes[0, 6].set_ylim(3, 9)
    axes[1, 2].set_xlim(1, 2)
    assert axes[0, 0].get_ylim() == (3, 9)
    assert axes[1, 0].get_ylim() != (3, 9)
    assert all(ax.get_xlim() == (1, 2) for ax in axes.flat)


def test_a_long_title_is_folded_above_its_panel():
    _, axes = _plot.panel_grid(
        ["a"], ["arcface with a margin of .3 and a long name\ngate posterior"], row_height=1, xlabel=""
    )
    assert max(map(len, axes[0, 0].get_title().split("\n"))) <= 26
