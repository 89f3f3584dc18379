"""The ids of a plan: the short way to them gives what the digests of the whole values are."""

import pytest

from bench.data.resolve import PreparedData
from bench.records import canonical, digest
from bench.scheduling import plan as planning
from bench.scheduling.ids import Once, Seeded, text_of, texts_of
from bench.suite.suite import load_suite

SUITE = """\
data: {root: synthetic, pixels: 32, protocols: [cfp_fp, lfw], validation: {identities: 0.2}}
backbone: {name: small_cnn, embedding: 64}
terms: [{name: intra_loss}]
evaluation: {far: [1e-2]}
report: {metrics: [accuracy]}
recipe: {epochs: 2, augmentation: [flip, erase]}
grid:
  margin: [arcface, {name: arcface, m: 0.3}, normface]
  enhancement.strength: [0, 0.1, 2.5e-7]
  data.validation.identities: [0, 0.2]
seeds: [0, 7, 4294967296]
"""
DATA = PreparedData("t" * 16, 1000, 100, {"lfw": "l" * 16, "cfp_fp": "ü"}, {})


@pytest.fixture
def plan(tmp_path, monkeypatch):
    monkeypatch.setattr(planning, "prepare", lambda *_, **__: DATA)
    path = tmp_path / "suite.yaml"
    path.write_text(SUITE)
    return planning.make_plan(load_suite(path))


def test_every_id_is_the_digest_of_the_whole_record(plan):
    assert len({run.run for run in plan.runs}) == len(plan.runs) == 3 * 3 * 2 * 3
    for run in plan.runs:
        config = {key: value for key, value in run.config.items() if key != "seed"}
        tested = sorted(run.protocols.items())
        assert run.run == digest({**config, "seed": run.seed})
        assert run.cell == digest([config, tested, run.options])
        assert run.baseline == digest([{**config, "enhancement": None}, tested, run.options])
        assert run.evaluations == {
            **{name: digest([run.run, found, run.options, planning.METRICS]) for name, found in tested},
            "train": digest([run.run, "train", planning.METRICS]),
        }


def test_a_run_planned_by_itself_is_the_same_run(plan):
    again = {}
    for item in plan.suite.cells:
        for seed in plan.suite.seeds:
            run = planning.plan_run(item.cell, seed, DATA, item.axes)
            again[run.run] = run.record()
    assert again == {run.run: run.record() for run in plan.runs}
    assert planning.make_plan(plan.suite) == plan


def test_the_packages_of_an_enhancement_are_not_in_its_baselines_id(tmp_path, monkeypatch):
    monkeypatch.setattr(
        planning, "packages_of", lambda config: {"other": "1"} if config["enhancement"] is not None else {}
    )
    path = tmp_path / "suite.yaml"
    path.write_text(SUITE)
    by_term = {}
    for item in load_suite(path).cells:
        run = planning.plan_run(item.cell, 0, DATA, item.axes)
        assert ("packages" in run.config) == (run.config["enhancement"] is not None)
        by_term.setdefault(run.config["enhancement"] is None, []).append(run)
    assert {run.baseline for run in by_term[False]} == {run.cell for run in by_term[True]}


@pytest.mark.parametrize("config", [{"a": 1.5}, {"z": [None, 'ü"\\']}, {"a": {}, "z": "seed", "semantics": 2}])
def test_a_seed_takes_its_place_among_the_fields(config):
    texts = texts_of(config, Once())
    assert text_of(texts) == canonical(config)
    for seed in (0, 12, 2**63):
        assert Seeded(texts).digest(seed) == digest({**config, "seed": seed})


def test_once_works_a_block_out_once_and_keeps_it_so_that_no_other_takes_its_place():
    made = []

    def make(value):
        made.append(value)
        return len(made)

    once = Once()
    blocks = [[1], [1]]
    assert [once(make, block) for block in blocks * 2] == [1, 2, 1, 2]
    assert len({once(make, [i]) for i in range(100)}) == 100
