"""What a run's id depends on."""

from pathlib import Path

from bench.data.resolve import PreparedData
from bench.scheduling.plan import plan_run
from bench.suite.suite import load_suite

SUITE = """\
data: {root: synthetic, pixels: 32, protocols: [lfw]}
backbone: {name: small_cnn, embedding: 64}
margin: {name: arcface}
recipe: {epochs: 2}
"""


def run_id(folder: Path, more: str = "") -> str:
    path = folder / "suite.yaml"
    path.write_text(SUITE + more)
    data = PreparedData("t" * 16, 100, 10, {"lfw": "l" * 16}, {})
    return plan_run(load_suite(path, ()).cells[0].cell, 0, data, {}).run


def test_the_share_and_the_block_of_the_classifier_are_in_the_run_id(tmp_path):
    ids = [
        run_id(tmp_path, f"classifier: {block}\n")
        for block in ("{share: 0.1}", "{share: 0.2}", "{block: 100}", "{share: 0.1, block: 100}")
    ]
    plain = run_id(tmp_path)
    assert len({plain, *ids}) == 5
    assert run_id(tmp_path, "classifier: {share: 1, block: null}\n") == plain
