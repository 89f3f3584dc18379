"""The work of expanding a grid: blocks are checked once each, however many cells they are in."""

import pytest

from bench.suite import suite as suites
from bench.suite.suite import load_suite

SUITE = """\
data: {root: synthetic}
backbone: {name: small_cnn, embedding: 16}
enhancement: {gate: uniform}
grid:
  margin: [normface, arcface, {name: arcface}, {name: arcface, m: 0.3}]
  recipe.epochs: [2, 3, 4, 5, 6]
  enhancement.strength: [STRENGTHS]
"""


@pytest.fixture
def checked(monkeypatch):
    """The names of the blocks that are resolved against the catalog."""
    names = []
    true = suites.resolve

    def watched(name, *rest):
        names.append(name)
        return true(name, *rest)

    monkeypatch.setattr(suites, "resolve", watched)
    return names


def expanded(tmp_path, strengths):
    path = tmp_path / "suite.yaml"
    path.write_text(SUITE.replace("STRENGTHS", ", ".join(f"{i / 100}" for i in range(strengths))))
    return load_suite(path)


def test_each_block_is_checked_once(tmp_path, checked):
    suite = expanded(tmp_path, 40)
    assert len(suite.cells) == 3 * 5 * 40  # the margin that is there in two spellings makes equal cells
    counts = {name: checked.count(name) for name in dict.fromkeys(checked)}
    assert counts == {
        "report": 1, "executor": 1, "data": 1, "backbone": 1, "margin": 4, "enhancement": 40, "recipe": 5
    }  # fmt: skip


def test_cells_share_their_blocks(tmp_path):
    cells = [item.cell for item in expanded(tmp_path, 4).cells]
    for name, different in {"data": 1, "backbone": 1, "margin": 3, "recipe": 5, "terms": 1, "evaluation": 1}.items():
        assert len({id(getattr(cell, name)) for cell in cells}) == different
    assert len({id(cell.enhancement) for cell in cells}) == 4
    assert sum(cell.enhancement is None for cell in cells) == 3 * 5
