"""Classes shared by real processes: value, gradients and state are those of one process."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import shard_runs
import torch
from loss_heads import enhancement, generator, margin
from torch import multiprocessing
from torch.testing import assert_close

from bench.catalog import GATES
from bench.errors import BenchError
from bench.losses import centres
from bench.losses.head import MarginHead
from bench.losses.resharding import has_row_a_class, join_states, part_of_state
from bench.losses.shards import Shards, parts_of, rows_within

with shard_runs.registered():
    RUNS = {2: [case.name for case in shard_runs.cases()], 3: [case.name for case in shard_runs.few()]}
RESUMED = [case.name for case in shard_runs.RESUMED]
both_sizes = pytest.mark.parametrize("size", [2, 3])
PARTED = ("target_angle", "posterior", "pull", "partial.active.grad", "first centres")


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """size -> what each of so many processes found."""
    ran = shard_runs.in_processes(3, tmp_path_factory.mktemp("processes"), shard_runs.complete)
    return {size: [process[size] for process in ran[:size]] for size in (2, 3)}


@pytest.fixture(scope="module")
def alone():
    torch.set_num_threads(1)
    return shard_runs.everything(shard_runs.ALONE)


def agree(parts, whole):
    """Everything that was seen by processes, put together by its name, is what one process saw."""
    assert all(part.keys() == whole.keys() for part in parts)
    for name, expected in whole.items():
        values, last = [part[name] for part in parts], name.rpartition(": ")[2]
        if last == "x.grad":
            value = torch.cat(values) / len(parts)
        elif last in PARTED or has_row_a_class(last.removesuffix(".grad")):
            value = torch.cat(values)
        else:
            value = values[0]
            assert all(torch.equal(value, other) for other in values), f"{name} differs between processes"
        assert_close(value, expected, rtol=1e-10, atol=1e-12, msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.parametrize(("size", "name"), [(size, name) for size, names in RUNS.items() for name in names])
def test_several_processes_give_what_one_gives(found, alone, size, name):
    agree([part[f"run: {name}"] for part in found[size]], alone[f"run: {name}"])


@both_sizes
def test_processes_start_with_the_very_centres_of_one(found, alone, size):
    for name in RUNS[size]:
        parts = [part[f"run: {name}"]["first centres"] for part in found[size]]
        whole = alone[f"run: {name}"]["first centres"]
        assert [len(part) for part in parts] == [len(part) for part in parts_of(len(whole), size)]
        assert torch.equal(torch.cat(parts), whole)


@both_sizes
@pytest.mark.parametrize("name", RESUMED)
def test_a_run_of_one_process_goes_on_with_several(found, alone, size, name):
    agree([part[f"resumed: {name}"] for part in found[size]], alone[f"resumed: {name}"])


@both_sizes
@pytest.mark.parametrize("name", RESUMED)
def test_states_of_processes_join_to_that_of_one(found, alone, size, name):
    def states(run):
        return {key.removeprefix("state: "): value for key, value in run.items() if key.startswith("state: ")}

    joined = join_states([states(part[f"resumed: {name}"]) for part in found[size]])
    expected = states(alone[f"resumed: {name}"])
    assert joined.keys() == expected.keys()
    for key, value in joined.items():
        assert_close(value, expected[key], rtol=1e-10, atol=1e-12)


@both_sizes
@pytest.mark.parametrize("name", RESUMED)
def test_data_parallel_networks_get_the_gradient_of_the_whole_batch(found, alone, size, name):
    for part in found[size]:
        for key, expected in alone[f"parallel: {name}"].items():
            assert_close(part[f"parallel: {name}"][key], expected, rtol=1e-10, atol=1e-12)


def test_nothing_is_sent_but_what_the_page_about_it_lists(found):
    """12 samples in all, 6 own ones, 5 numbers each; 3 and 4 classes."""
    start = [("join", 6), ("join", 6, 5), ("sum", 12, 5)]
    for part, classes in zip(found[2], (3, 4), strict=True):
        heard = part["heard"]
        softmax = [*start, ("log_sum_exp", 12), ("largest", 12)]
        assert heard["all classes on the last process"] == [[*softmax, ("sum", 12), ("sum", 12, 5)]] * 2
        between, back = ("join", classes, 5), ("sum", 12, 5)
        assert heard["test terms"] == [[*softmax, between, back], [*softmax, between, back]]
        assert heard["test term now and then"] == [[*softmax, between, back], [*softmax, back]]
        cost = [*start, ("log_sum_exp", 12), ("sum", 12), ("largest", 12), back, ("sum",)]
        assert heard["test margin with a cost"] == [cost] * 2
        assert heard["test margin with sub-centres"][0][2:3] == [("sum", 12, 3, 5)]


@pytest.mark.parametrize(
    ("mistake", "text"),
    [
        ("samples", "BenchError: the batch differs between processes, which are, in order: samples 2, 3"),
        ("step", "BenchError: the batch differs between processes, which are, in order: step 3, 4"),
        ("strength", "BenchError: the batch differs between processes, which are, in order: strength null, 0.25"),
        ("dtype", 'BenchError: the batch differs .* in order: dtype "torch.float64", "torch.float32"'),
        ("mode", "BenchError: the batch differs between processes, which are, in order: training true, false"),
        ("classes", "BenchError: the head differs between processes, which are, in order: classes 7, 8"),
        ("too few", "BenchError: 1 classes cannot be shared by 2 processes: each needs one at least"),
        ("seed", "BenchError: the head differs between processes, .* in order: seed of the centres 3, 4"),
        ("label", "RuntimeError: labels must lie in 0 to 6"),
    ],
)
def test_mistakes_are_refused_on_every_process(found, mistake, text):
    for part in found[2]:
        assert re.match(text, part["refusals"].get(mistake, "nothing was refused"))


def test_an_error_in_a_process_reaches_the_test_with_its_text(tmp_path):
    with pytest.raises(RuntimeError, match="ValueError: the last process has failed"):
        shard_runs.in_processes(2, tmp_path, shard_runs.broken)
    assert not multiprocessing.active_children()


def test_classes_cannot_be_shared_before_the_processes_know_each_other():
    with pytest.raises(BenchError, match=r"once torch\.distributed\.init_process_group has been called"):
        Shards()


@pytest.mark.parametrize("size", range(1, 8))
def test_parts_are_contiguous_and_as_equal_as_can_be(size):
    parts = parts_of(7, size)
    assert [label for part in parts for label in part] == list(range(7))
    assert len({len(part) for part in parts} | {7 // size, -(-7 // size)}) <= 2
    labels = torch.tensor([6, 0, 3, 3])
    for part in parts:
        rows = rows_within(part, labels).tolist()
        assert rows == [part.index(label) if label in part else -1 for label in labels.tolist()]


def test_fewer_classes_than_processes_are_refused():
    with pytest.raises(BenchError, match="3 classes cannot be shared by 4 processes: each needs one at least"):
        parts_of(3, 4)


@pytest.mark.parametrize("each", [1, 3])
@pytest.mark.parametrize("kept", [range(10), range(2), range(3, 8), range(9, 10)])
def test_a_part_of_the_first_centres_is_that_of_all(monkeypatch, each, kept):
    monkeypatch.setattr(centres, "ROWS", 4)
    whole = centres.first_centres(10, each, 5, generator(1))
    part = centres.first_centres(10, each, 5, generator(1), kept)
    assert torch.equal(part, whole[kept.start : kept.stop])
    assert len(whole.unique()) == whole.numel()


def whole_state():
    head = MarginHead(
        margin("curricularface"), enhancement(0.5, "spectral"), 7, 5, generator=generator(1), stream=generator(2)
    )
    return head.state_dict()


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_a_state_taken_apart_and_joined_is_the_same(size):
    whole = whole_state()
    parts = [part_of_state(whole, rank, size) for rank in range(size)]
    assert [len(part["term.direction"]) for part in parts] == [len(part) for part in parts_of(7, size)]
    joined = join_states(parts)
    assert joined.keys() == whole.keys()
    assert all(torch.equal(value, whole[name]) for name, value in joined.items())
    assert all(part[name].data_ptr() != whole[name].data_ptr() for part in [*parts, joined] for name in whole)


def test_a_state_can_name_its_own_parts():
    """Such as an optimiser's: 0 is the network's, 1 the centres'."""
    whole = {"0.momentum": torch.ones(4), "1.momentum": torch.arange(7.0), "1.step": torch.tensor(3.0)}
    parts = [part_of_state(whole, rank, 2, lambda name: name == "1.momentum") for rank in range(2)]
    assert [part["1.momentum"].tolist() for part in parts] == [[0, 1, 2], [3, 4, 5, 6]]
    assert all(len(part["0.momentum"]) == 4 for part in parts)
    joined = join_states(parts, lambda name: name == "1.momentum")
    assert all(torch.equal(joined[name], value) for name, value in whole.items())


def test_parts_that_do_not_belong_together_are_refused():
    one, two = (part_of_state(whole_state(), rank, 2) for rank in range(2))
    with pytest.raises(BenchError, match=r"centres: processes hold \[4, 3\] rows, and would of 7 classes \[3, 4\]"):
        join_states([two, one])
    with pytest.raises(BenchError, match=r"margin\.t: processes 0 and 1 must hold the same, and do not"):
        join_states([one, {**two, "margin.t": torch.ones(())}])
    with pytest.raises(BenchError, match=r"processes 0 and 1 do not belong together: one alone has centres"):
        join_states([one, {name: value for name, value in two.items() if name != "centres"}])
    with pytest.raises(BenchError, match="7 classes cannot be shared by 8 processes"):
        part_of_state(whole_state(), 0, 8)


class Two:
    """The first of two processes, as far as building a head asks."""

    size, rank = 2, 0

    def agree(self, what, facts):
        pass


def test_a_gate_whose_state_is_not_a_row_a_class_is_refused(monkeypatch):
    start = {**GATES.get("spectral").traits, "start": lambda centres, generator: {"mean": torch.zeros(())}}
    monkeypatch.setitem(GATES._specs, "spectral", replace(GATES.get("spectral"), traits=start))
    with pytest.raises(BenchError, match=r"gate 'spectral' cannot be shared by processes: its 'mean' \(\) has not one"):
        MarginHead(
            margin("cosface"), enhancement(0.5, "spectral"), 7, 5, group=Two(), generator=generator(1),
            stream=generator(2),
        )  # fmt: skip
