"""``bench evaluate`` from the command line on tiny data sets in the official layouts."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import save_file

from bench.catalog import FORMATS
from bench.cli.main import main
from bench.data.cache import cache_root
from bench.evaluation import Measures, evaluate_embeddings
from bench.scheduling.execute import InProcess
from bench.scheduling.plan import make_plan
from bench.scheduling.suite_run import run_plan
from bench.store import Store
from bench.suite.suite import load_suite
from tests.evaluation.tiny_onnx import Tiny, write_onnx
from tests.tiny import write_root, write_suite

Call = Callable[..., tuple[str, str]]
FACTORY = "tests.evaluation.tiny_onnx:Tiny"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("place")
    write_root(folder / "root")
    return folder


@pytest.fixture
def call(place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Runs ``bench evaluate`` on the tiny root in this process; returns what it printed."""
    monkeypatch.chdir(place)
    monkeypatch.setenv("BENCH_CACHE", str(place / "cache"))
    monkeypatch.setenv("BENCH_DATA_ROOT", str(place / "root"))
    monkeypatch.setenv("COLUMNS", "100")

    def run(*words: object, code: int = 0) -> tuple[str, str]:
        monkeypatch.setattr(sys, "argv", ["bench", "evaluate", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        assert (ended.value.code or 0) == code, printed.out + printed.err
        return printed.out, printed.err

    return run


def record(printed: tuple[str, str], name: str = "lfw") -> dict[str, object]:
    return json.loads(printed[0])["evaluations"][name]


def measured(printed: tuple[str, str], name: str = "lfw") -> tuple[object, ...]:
    found = record(printed, name)
    return found["metrics"], found["intervals"], found["accuracy_per_fold"]


def protocol(place: Path, name: str = "lfw"):
    return FORMATS.get(name).function(place / "root" / name)


QUICK = ("--json", "--bootstrap", 20)


@pytest.fixture
def saved(place: Path, call: Call) -> tuple[str, str]:
    """A module's embeddings and scores on LFW, saved in ``e.npz`` and ``s.npy``."""
    words = ("lfw", "--module", FACTORY, "--pixels", 24, *QUICK)
    return call(*words, "--save-embeddings", "e.npz", "--save-scores", "s.npy")


def test_every_way_in_gives_the_same_numbers(place: Path, call: Call, saved: tuple[str, str]) -> None:
    expected = measured(saved)
    with np.load(place / "e.npz") as held:
        names, rows = held["names"].tolist(), held["embeddings"]
    order = np.random.default_rng(0).permutation(len(names))
    np.savez(place / "permuted.npz", names=np.array([*np.array(names)[order], "x.jpg"]), embeddings=rows[[*order, 0]])
    np.save(place / "rows.npy", rows[order] * 1.0)
    np.save(place / "ordered.npy", rows)
    (place / "names.txt").write_text("\n".join(np.array(names)[order]))
    for words in (
        ("--embeddings", "e.npz"),
        ("--embeddings", "permuted.npz"),
        ("--embeddings", "rows.npy", "--names", "names.txt"),
        ("--embeddings", "ordered.npy", "--in-order"),
    ):
        printed = call("lfw", *words, *QUICK)
        assert measured(printed) == expected
        assert record(printed)["facts"]["extra"] == (words[1] == "permuted.npz")
        assert record(printed)["facts"]["lists"] == record(saved)["facts"]["lists"]
    scores = record(call("lfw", "--scores", "s.npy", "--direction", "similarity", *QUICK))
    assert scores["metrics"].items() <= expected[0].items()
    assert scores["intervals"].items() <= expected[1].items()
    measures = Measures(
        far=("1e-2", "1e-3", "1e-4"), all_pairs_far=("1e-4", "1e-5"), ranks=(1, 5), fpir=("1e-2",), bootstrap=20
    )
    own, _ = evaluate_embeddings(protocol(place), names, rows, measures=measures)
    assert (own["metrics"], own["intervals"], own["accuracy_per_fold"]) == expected


def test_an_onnx_model_is_the_module_that_it_was_made_from(call: Call, place: Path, saved: tuple[str, str]) -> None:
    write_onnx(place / "m.onnx", Tiny())
    printed = call("lfw", "ytf", "--onnx", "m.onnx", *QUICK, "--out", "found.json", "--far", "1e-2,.1")
    assert json.loads(printed[0]) == json.loads((place / "found.json").read_text())
    assert record(printed)["metrics"]["auc"] == pytest.approx(record(saved)["metrics"]["auc"])
    assert record(printed)["metrics"]["separation_deg"] == pytest.approx(
        record(saved)["metrics"]["separation_deg"], 1e-3
    )
    assert record(printed)["measures"]["far"] == ["1e-1", "1e-2"]
    assert record(printed, "ytf")["facts"]["images"] == 2 * record(printed, "ytf")["facts"]["templates"]
    model = json.loads(printed[0])["model"]
    assert (model["pixels"], model["flip"], model["fed"]["colour"]) == (24, True, "rgb")


def test_what_a_network_is_fed_is_said_and_matters(call: Call, saved: tuple[str, str]) -> None:
    words = ("lfw", "--module", FACTORY, "--pixels", 24, "--bootstrap", 0)
    changed = call(*words, "--colour", "bgr", "--no-flip", "--scale", "0..1", "--json")
    assert record(changed)["metrics"]["separation_deg"] != record(saved)["metrics"]["separation_deg"]
    out, _ = call(*words, "--colour", "bgr", "--no-flip", "--mean", "127.5", "--std", "128")
    text = " ".join(out.split())
    assert (
        "fed: 24 × 24 pixels, BGR, (v − 127.5) / 128 of pixels v in 0..255, (B, 3, H, W) float32; flip test: none"
        in text
    )
    assert "images, width x height: 24x24 (31)" in text


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_fits_its_terminal(call: Call, saved: object, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    out, _ = call("lfw", "--embeddings", "e.npz", "--bootstrap", 20)
    assert max(map(len, out.splitlines())) <= width
    for words in ("LFW: 48 pairs", "accuracy (%)", "95 % interval", "TAR@1e-4 (%)", "not measurable: 24 impostors"):
        assert words in " ".join(out.split())


def test_embeddings_of_templates_are_not_pooled_again(place: Path, call: Call) -> None:
    words = ("ytf", "--module", FACTORY, "--pixels", 24, *QUICK)
    expected = measured(call(*words, "--save-embeddings", "y.npz"), "ytf")
    test = protocol(place, "ytf")
    with np.load(place / "y.npz") as held:
        unit = torch.nn.functional.normalize(torch.from_numpy(held["embeddings"])).numpy().astype(float)
    means = np.stack([unit[test.template == t].mean(axis=0) for t in range(len(test.template_names))])
    np.savez(place / "t.npz", names=np.array(test.template_names), embeddings=means)
    found = measured(call("ytf", "--embeddings", "t.npz", "--per", "template", *QUICK), "ytf")
    assert found[0]["auc"] == expected[0]["auc"]
    assert found[0]["separation_deg"] == pytest.approx(expected[0]["separation_deg"])
    _, err = call("ytf", "--embeddings", "t.npz", code=1)
    assert "images have no embedding" in err


def test_a_format_and_its_options_stand_for_a_name(place: Path, call: Call, saved: tuple[str, str]) -> None:
    words = ("--format", "lfw", "--root", place / "root" / "lfw", "--embeddings", "e.npz", *QUICK)
    assert measured(call(*words)) == measured(saved)
    assert measured(call("mine", *words), "mine") == measured(saved)
    less = call("ytf", "--option", "frames=1", "--module", FACTORY, "--pixels", 24, *QUICK)
    assert record(less, "ytf")["facts"]["images"] == record(less, "ytf")["facts"]["templates"]


def test_counts_that_were_allowed_to_differ_stand_in_the_record_and_below_the_table(
    call: Call, saved: tuple[str, str]
) -> None:
    words = ("lfw", "--embeddings", "e.npz", "--option", "facts=lfw", "--bootstrap", "0")
    _, refused = call(*words, code=1)
    assert "pairs, lfw has 6,000" in refused
    allowed = (*words, "--option", "allow_partial=a tiny copy")
    assert record(call(*allowed, "--json"))["notes"]["data"].endswith("allowed: a tiny copy")
    assert "allowed: a tiny copy" in " ".join(call(*allowed)[0].split())


def test_scores_may_be_distances(place: Path, call: Call, saved: tuple[str, str]) -> None:
    np.savetxt(place / "d.csv", 1 - np.load(place / "s.npy").astype(float), fmt="%.17g")
    found = record(call("lfw", "--scores", "d.csv", "--direction", "distance", *QUICK))
    assert found["metrics"]["auc"] == record(saved)["metrics"]["auc"]
    assert found["accuracy_per_fold"] == record(saved)["accuracy_per_fold"]


@pytest.fixture(scope="module")
def trained(place: Path) -> tuple[Store, str]:
    """A run of a suite with its own evaluations."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_CACHE", str(place / "cache"))
        overrides = ["grid.enhancement.strength=[0.1]", "recipe.epochs=1", "evaluation.bootstrap=20"]
        plan = make_plan(load_suite(write_suite(place / "tiny.yaml", place / "root"), overrides), cache=cache_root())
        store = Store(place / "results")
        assert not run_plan(plan, store, command="", executor=InProcess("cpu"))
        torch.use_deterministic_algorithms(False)
    return store, plan.runs[0].run


def test_a_checkpoint_gives_the_suites_own_numbers_to_the_bit(call: Call, trained: tuple[Store, str]) -> None:
    store, run = trained
    before = {file: file.stat().st_mtime_ns for file in store.root.rglob("*")}
    far = ("--far", "1e-1,1e-3", "--all-pairs-far", "1e-3,1e-4", "--ranks", "1")
    printed = call("lfw", "ytf", "cfp_fp", "--checkpoint", run[:10], *QUICK, *far, "--device", "cpu")
    torch.use_deterministic_algorithms(False)
    own = {one["protocol"]: one for one in evaluations(store, run)}
    for name in ("lfw", "ytf", "cfp_fp"):
        found = record(printed, name)
        for key in ("metrics", "intervals", "accuracy_per_fold", "thresholds", "angles", "notes"):
            assert found[key] == own[name][key], (name, key)
    assert {file: file.stat().st_mtime_ns for file in store.root.rglob("*")} == before
    assert json.loads(printed[0])["model"]["run"] == run
    _, err = call("lfw", "--checkpoint", "zzz", code=2)
    assert "no run 'zzz'" in err


def evaluations(store: Store, run: str) -> list[dict[str, object]]:
    keys = [file.stem for file in store.evaluation_folder(run).glob("*.json")]
    return [store.evaluation(run, key) for key in keys]


@pytest.mark.parametrize(
    ("words", "code", "reason"),
    [
        (["lfw"], 2, "give one of --embeddings, --scores, --onnx, --checkpoint, --module; found none"),
        (["lfw", "--embeddings", "e.npz", "--onnx", "m.onnx"], 2, "found --embeddings, --onnx"),
        (["lfw", "--embeddings", "e.npz", "--flip"], 2, "--flip is for --onnx, --checkpoint, --module, not"),
        (["lfw", "--embeddings", "e.npz", "--no-flip"], 2, "--flip is for"),
        (["lfw", "--onnx", "m.onnx", "--names", "n"], 2, "--names is for --embeddings, not for --onnx"),
        (["lfw", "--checkpoint", "a", "--colour", "bgr"], 2, "--colour is for --onnx, --module, not for --checkpoint"),
        (["lfw", "--scores", "s.npy"], 2, "--scores needs --direction"),
        (["lfw", "ytf", "--scores", "s.npy", "--direction", "distance"], 2, "holds one protocol, found lfw, ytf"),
        (["lfw", "--embeddings", "e.npz", "--out", "no/such/x.json"], 2, "--out needs an existing folder"),
        (["--embeddings", "e.npz"], 2, "name at least one protocol (known: lfw, "),
        (["lwf", "--embeddings", "e.npz"], 2, "unknown protocol 'lwf'; did you mean 'lfw'?"),
        (["lfw", "--embeddings", "e.npz", "--option", "frames=3"], 2, "unknown field of format 'lfw': 'frames'"),
        (["ytf", "--embeddings", "e.npz", "--option", "frames"], 2, "--option: must be KEY=VALUE, found 'frames'"),
        (["lfw", "ytf", "--embeddings", "e.npz", "--option", "a=1"], 2, "are for one protocol, found lfw, ytf"),
        (["--format", "lfv", "--embeddings", "e.npz"], 2, "unknown protocol format 'lfv'; did you mean 'lfw'?"),
        (["lfw", "--embeddings", "e.npz", "--root", "nowhere"], 1, "nowhere is not a folder"),
        (["lfw", "--embeddings", "e.npz", "--synthetic", "pixels=32"], 2, "is only read with --root synthetic"),
        (["lfw", "--embeddings", "gone.npz"], 1, "no file gone.npz"),
        (["lfw", "--embeddings", "plain.npy"], 1, "holds no names: pass --names FILE, or --in-order"),
        (["lfw", "--embeddings", "plain.npy", "--in-order"], 1, "in order there must be 31 embeddings, one for"),
        (["lfw", "--embeddings", "e.npz", "--in-order"], 1, "has names, so it is matched by them"),
        (["lfw", "--embeddings", "nan.npz"], 1, "1 of 31 embeddings are zero or not finite in float32: "),
        (["lfw", "--embeddings", "e.npz", "--far", "1e-2,2"], 1, "a false accept rate must lie in (0, 1)"),
        (["lfw", "--module", FACTORY], 1, "pass --pixels"),
        (["lfw", "--module", FACTORY, "--pixels", "24", "--weights", "w.pth"], 1, "holds a pickle, which can run any"),
    ],
)  # fmt: skip
def test_mistakes_are_told_in_one_clear_line(
    call: Call, place: Path, saved: object, words: list[str], code: int, reason: str
) -> None:
    np.save(place / "plain.npy", np.ones((3, 4)))
    with np.load(place / "e.npz") as held:
        names, rows = held["names"], held["embeddings"].copy()
    rows[5, 2] = np.nan
    np.savez(place / "nan.npz", names=names, embeddings=rows)
    out, err = call(*words, code=code)
    assert reason in err
    assert "Traceback" not in err
    assert not out


def test_without_any_root_both_ways_are_named(call: Call, saved: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BENCH_DATA_ROOT")
    _, err = call("lfw", "--embeddings", "e.npz", code=1)
    assert "pass --root PATH or --root synthetic, or set the variable BENCH_DATA_ROOT" in err


# the page of the documentation

PAGE = (Path(__file__).parents[2] / "docs" / "evaluate.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^bench evaluate (.+)$", PAGE, re.MULTILINE)


@pytest.fixture
def files_of_the_page(place: Path, saved: object, trained: tuple[Store, str]) -> None:
    """The files that its commands name."""
    with np.load(place / "e.npz") as held:
        names, rows = held["names"].tolist(), held["embeddings"]
    scores = np.load(place / "s.npy")
    np.savez(place / "embeddings.npz", names=np.array(names), embeddings=rows)
    pq.write_table(pa.table({"name": names, "embedding": rows.tolist()}), place / "embeddings.parquet")
    for name, array in (("rows", rows), ("ordered", rows), ("scores", scores)):
        np.save(place / f"{name}.npy", array)
    np.savetxt(place / "distances.csv", 1 - scores)
    (place / "names.txt").write_text("\n".join(names))
    write_onnx(place / "model.onnx", Tiny())
    (place / "my_networks.py").write_text("from tests.evaluation.tiny_onnx import Tiny as build\n")
    save_file(Tiny().state_dict(), place / "weights.safetensors")


@pytest.mark.parametrize("words", COMMANDS)
def test_every_command_of_the_page_runs(
    call: Call, place: Path, files_of_the_page: None, trained: tuple[Store, str], words: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(sys, "path", list(sys.path))
    here = words.replace("RUN", trained[1]).replace("~/faces", str(place / "root"))
    out, _ = call(*shlex.split(here))
    torch.use_deterministic_algorithms(False)
    assert "accuracy" in out


def test_the_python_of_the_page_runs(
    call: Call, place: Path, files_of_the_page: None, capsys: pytest.CaptureFixture[str]
) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    with np.load(place / "embeddings.npz") as held:
        given = {"names": held["names"].tolist(), "embeddings": held["embeddings"]}
    exec(program, given)
    assert "'low'" in capsys.readouterr().out
