"""The peak of a run on a GPU: told after every epoch, kept with its result, and given back when the run ends."""

import pytest
import torch

from bench.scheduling.execute import InProcess
from bench.scheduling.plan import make_plan
from bench.scheduling.suite_run import run_plan
from bench.store import Store
from bench.suite.suite import load_suite
from bench.training import environment
from tests.tiny import SUITE, write_root, write_suite


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    folder = tmp_path_factory.mktemp("memory")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_CACHE", str(folder / "cache"))
        text = SUITE.replace("grid: {enhancement.strength: [0, 0.1]}\n", "").replace("[lfw, ytf, cfp_fp]", "[lfw]")
        yield make_plan(load_suite(write_suite(folder / "tiny.yaml", write_root(folder / "root"), text)))


def run(plan, store, device="cpu"):
    """The peaks that epochs told, and the one that the result holds."""
    events = []
    assert not run_plan(plan, store, command="", executor=InProcess(device), on_event=events.append)
    told = [event.get("peak_gpu_bytes") for event in events if event["kind"] == "epoch"]
    assert [event.get("peak_gpu_bytes") for event in store.epochs(plan.runs[0].run)] == told
    return told, store.result(plan.runs[0].run)["metrics"].get("peak_gpu_bytes")


def test_every_epoch_tells_the_peak_and_the_result_keeps_it(plan, tmp_path, monkeypatch):
    peaks, released = iter([{"peak_gpu_bytes": peak} for peak in (5, 6, 7)]), []
    monkeypatch.setattr(environment, "gpu_peak", lambda device: next(peaks))
    monkeypatch.setattr(environment, "release_memory", lambda: released.append(True))
    assert run(plan, Store(tmp_path)) == ([5, 6], 7)
    assert released == [True]


def test_on_a_cpu_nothing_is_told_of_a_gpu(plan, tmp_path):
    assert run(plan, Store(tmp_path)) == ([None, None], None)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu_the_peak_is_what_torch_reserved(plan, tmp_path):
    told, kept = run(plan, Store(tmp_path), "cuda")
    assert 0 < told[0] <= told[1] <= kept
    assert torch.cuda.memory_reserved() < kept
