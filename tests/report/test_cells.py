"""Cells compared by what their evaluations kept, wherever they lie."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from replicated import replicated
from scipy import stats

from bench.errors import DataError, StoreError
from bench.evaluation.comparison import holm
from bench.evaluation.measured import REPLICATES
from bench.evaluation.paired_bootstrap import seeds_and_people_interval
from bench.evaluation.stored import CellRuns, Readings, compare_cells
from bench.report.cells import cell_runs
from bench.report.effects import COLUMNS, all_effects, effects, marked_metrics
from bench.report.results import report_data
from bench.store import Store

SMALL = {"backbones": ("small_cnn",), "margins": ("arcface",), "protocols": ("lfw",), "seeds": (0, 1, 2)}


def of(root: Path, **change: object):
    return report_data(replicated(root, **{**SMALL, **change}), "made_up")


def kept(data, cell, metric="accuracy"):
    """Values (S,) and replicates (R, S) read whole, as anybody could."""
    runs = [run for run in data.plan["runs"] if run["cell"] == cell]
    keys = [(run["run"], run["evaluations"]["lfw"]) for run in runs]
    values = np.array([data.store.evaluation(*key)["metrics"][metric] for key in keys])
    arrays = [data.store.evaluation_arrays(*key)[f"{REPLICATES}{metric}"].astype(float) for key in keys]
    return values, np.stack(arrays, axis=1)


@pytest.mark.parametrize("metric", ["accuracy", "tar_at_far_1e-2"])
def test_an_effect_is_what_its_stored_replicates_say(tmp_path, metric):
    data = of(tmp_path, strengths=(0.0, 0.1))
    base, ours = cell_runs(data)
    (values, drawn), (of_base, drawn_base) = kept(data, ours, metric), kept(data, base, metric)
    slow = seeds_and_people_interval(values - of_base, drawn - drawn_base, metric, level=0.95, counts={})
    row = effects(data, [metric]).iloc[0]
    assert (row["effect"], row["low"], row["high"]) == pytest.approx(
        (100 * slow.effect, 100 * slow.low, 100 * slow.high)
    )
    assert row["p"] == pytest.approx(slow.p)
    assert "bootstrap over people" in row["method"]


def test_p_is_adjusted_over_all_that_the_table_marks_whatever_is_asked_for(tmp_path):
    data = of(tmp_path, strengths=(0.0, 0.1, 1.0), protocols=("lfw", "ytf"))
    assert marked_metrics(data) == ("accuracy", "tar_at_far_1e-2", "tar_at_far_1e-3")
    every = all_effects(data)
    assert len(every) == 2 * 2 * 2
    assert [one.p_holm for one in every] == holm([one.p for one in every])
    found = effects(data)
    assert tuple(found.columns) == COLUMNS
    assert set(found["metric"]) == {"accuracy"}
    assert len(found) == 4
    assert all_effects(data) is every


def test_one_seed_has_an_interval_for_its_networks_and_no_p(tmp_path):
    (row,) = effects(of(tmp_path, strengths=(0.0, 0.1), seeds=(4,))).itertuples()
    assert row.low < row.effect < row.high
    assert np.isnan(row.p) if row.p is not None else True
    assert "these two networks only" in row.method


def test_cells_of_two_stores_are_paired_by_seed_and_by_people(tmp_path):
    one, other = of(tmp_path / "a", strengths=(0.1,)), of(tmp_path / "b", strengths=(0.0,))
    (a,), (b,) = cell_runs(one).values(), cell_runs(other).values()
    found = compare_cells(a, b, "lfw")
    both = of(tmp_path / "c", strengths=(0.0, 0.1))
    assert found.effect == pytest.approx(effects(both).iloc[0]["effect"])
    assert found.n["seeds"] == 3
    renamed = CellRuns(b.name, {seed + 10: run for seed, run in b.runs.items()})
    unpaired = compare_cells(a, renamed, "lfw")
    values = [[one.value for one in Readings().row(cell, "lfw", "accuracy").values()] for cell in (a, b)]
    assert unpaired.p == pytest.approx(stats.ttest_ind(*values, equal_var=False).pvalue)
    with pytest.raises(DataError, match="0 and 0 seeds have a value of accuracy"):
        compare_cells(a, b, "cfp_fp")


def test_tests_on_other_pairs_are_refused(tmp_path):
    data = of(tmp_path, strengths=(0.0, 0.1))
    a, b = cell_runs(data).values()
    run = b.runs[1]
    key = run.run, run.evaluations["lfw"]
    record = data.store.evaluation(*key)
    facts = {**record["facts"], "lists": "cd" * 32}
    data.store.write_evaluation(*key, {**record, "facts": facts}, data.store.evaluation_arrays(*key))
    with pytest.raises(DataError, match=r"accuracy was not measured on the same pairs: lists abab.*, cdcd"):
        compare_cells(a, b, "lfw")


def test_evaluations_of_older_versions_are_compared_over_seeds(tmp_path):
    """They kept no replicates, and no checksum of each array."""
    data = of(tmp_path, strengths=(0.0, 0.1))
    for cell in cell_runs(data).values():
        run = cell.runs[0]
        key = run.run, run.evaluations["lfw"]
        arrays = data.store.evaluation_arrays(*key)
        old = {name: array for name, array in arrays.items() if not name.startswith(REPLICATES)}
        data.store.write_evaluation(*key, data.store.evaluation(*key), old)
    again = report_data(data.store, "made_up")
    assert effects(again).iloc[0]["method"] == "paired t over seeds"
    assert len(effects(again, ["tar_at_far_1e-2"])) == 0


def test_only_the_arrays_asked_for_are_read_and_a_broken_one_is_told(tmp_path):
    data = of(tmp_path, strengths=(0.0,), seeds=(0,))
    (cell,) = cell_runs(data).values()
    run = cell.runs[0]
    path = data.store.evaluation_folder(run.run) / f"{run.evaluations['lfw']}.safetensors"
    record, arrays = data.store.evaluation_with(run.run, run.evaluations["lfw"], REPLICATES)
    assert record["metrics"]["tar_at_far_1e-3"] is None
    assert set(arrays) == {f"{REPLICATES}{name}" for name in ("accuracy", "tar_at_far_1e-2", "tar_at_far_1e-3")}
    content = bytearray(path.read_bytes())
    at = content.find(arrays[f"{REPLICATES}accuracy"].tobytes())
    content[at] ^= 1
    path.write_bytes(content)
    with pytest.raises(StoreError, match="the checksum of an array does not match"):
        Store(tmp_path).evaluation_with(run.run, run.evaluations["lfw"], REPLICATES)
    assert Store(tmp_path).evaluation_with(run.run, run.evaluations["lfw"], REPLICATES) is None


def test_a_level_of_the_suite_is_that_of_its_intervals(tmp_path):
    data = of(tmp_path, strengths=(0.0, 0.1))
    plan = {**data.plan, "report": {**data.plan["report"], "level": 0.5}}
    narrow = effects(dataclasses.replace(data, plan=plan, memo={})).iloc[0]
    wide = effects(data).iloc[0]
    assert narrow["high"] - narrow["low"] < wide["high"] - wide["low"]
    assert narrow["p"] == pytest.approx(wide["p"])
