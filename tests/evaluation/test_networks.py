"""ONNX models and torch modules as networks: the same numbers, and clear refusals."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from onnx import TensorProto
from safetensors.torch import save_file

from bench.data.packed import PackedImages
from bench.errors import BenchError
from bench.evaluation.embed import raw_embeddings
from bench.evaluation.models import onnx_model, torch_model
from bench.evaluation.onnx_model import OnnxNetwork
from bench.evaluation.preprocessing import Preprocessing
from bench.evaluation.torch_model import load_module
from tests.evaluation.tiny_onnx import SIDE, WIDTH, Tiny, weight_bytes, write_onnx

CPU = torch.device("cpu")
IMAGES = torch.randn(5, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("batch", "side"), [("B", SIDE), ("B", "H"), (1, SIDE), (2, SIDE), (7, SIDE)])
def test_an_onnx_model_gives_what_the_module_gives_whatever_batch_it_is_fixed_to(batch, side, tmp_path):
    network = Tiny()
    model = OnnxNetwork(write_onnx(tmp_path / "m.onnx", network, batch=batch, side=side))
    assert model.pixels == (SIDE if side == SIDE else None)
    np.testing.assert_allclose(model(IMAGES).numpy(), network(IMAGES).detach().numpy(), rtol=1e-5, atol=1e-6)


def test_one_of_several_outputs_must_be_chosen(tmp_path):
    file = write_onnx(tmp_path / "m.onnx", Tiny(), outputs=2)
    with pytest.raises(BenchError, match="has 2 outputs, choose one with --output: y, r"):
        OnnxNetwork(file)
    with pytest.raises(BenchError, match="unknown output 'z'"):
        OnnxNetwork(file, output="z")
    assert OnnxNetwork(file, output="y")(IMAGES).shape == (5, WIDTH)


def test_the_size_is_the_models_or_is_said(tmp_path):
    fixed, free = (write_onnx(tmp_path / f"{s}.onnx", Tiny(), side=s) for s in (SIDE, "H"))
    assert onnx_model(fixed, Preprocessing(), pixels=None).pixels == SIDE
    assert onnx_model(free, Preprocessing(), pixels=30).pixels == 30
    with pytest.raises(BenchError, match="takes 24 × 24 pixels, --pixels says 30"):
        onnx_model(fixed, Preprocessing(), pixels=30)
    with pytest.raises(BenchError, match="leaves the size of its images open; pass --pixels"):
        onnx_model(free, Preprocessing(), pixels=None)


@pytest.mark.parametrize("changed", [{"layout": "BHWC"}, {"element": TensorProto.FLOAT16}])
def test_an_input_that_is_not_ours_is_refused_with_what_it_is(changed, tmp_path):
    file = write_onnx(tmp_path / "m.onnx", Tiny(), **changed)
    with pytest.raises(
        BenchError, match=r"onnxruntime cannot load it|must have one input tensor\(float\) \(B, 3, H, H\)"
    ):
        OnnxNetwork(file)


def test_weights_beside_the_model_are_read_and_those_outside_of_its_folder_are_not(tmp_path):
    network, folder = Tiny(), tmp_path / "model"
    folder.mkdir()
    for place in (folder / "w.bin", tmp_path / "secret.bin"):
        place.write_bytes(weight_bytes(network))
    (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    inside = OnnxNetwork(write_onnx(folder / "m.onnx", network, external="w.bin"))
    np.testing.assert_allclose(inside(IMAGES).numpy(), network(IMAGES).detach().numpy(), rtol=1e-5, atol=1e-6)
    for outside in ("../secret.bin", str(tmp_path / "secret.bin"), "link.bin"):
        with pytest.raises(BenchError, match=r"onnxruntime cannot load it: .*External data path"):
            OnnxNetwork(write_onnx(folder / "m.onnx", network, external=outside))


def test_custom_operators_are_not_loaded(tmp_path):
    with pytest.raises(BenchError, match=r"onnxruntime cannot load it: .*not a registered function/op"):
        OnnxNetwork(write_onnx(tmp_path / "m.onnx", Tiny(), domain="com.example"))
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(BenchError, match="onnxruntime cannot load it: "):
        OnnxNetwork(tmp_path / "text.onnx")
    with pytest.raises(BenchError, match="no ONNX model"):
        OnnxNetwork(tmp_path / "gone.onnx")


def test_without_onnxruntime_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(BenchError, match=r"pip install 'face-margin-bench\[onnx\]'"):
        OnnxNetwork(write_onnx(tmp_path / "m.onnx", Tiny()))


# modules


def test_a_factory_gets_its_options_and_its_weights(tmp_path, monkeypatch):
    (tmp_path / "my_networks.py").write_text("from tests.evaluation.tiny_onnx import Tiny\n\nbuild = Tiny\n")
    save_file(Tiny(seed=5, width=4).state_dict(), tmp_path / "w.safetensors")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    model = load_module("my_networks:build", weights=Path("w.safetensors"), options={"width": 4}, device=CPU)
    assert not model.training
    assert torch.equal(model(IMAGES), Tiny(seed=5, width=4)(IMAGES))


def test_timm_is_built_by_name_with_weights_that_fit(tmp_path):
    import timm

    with torch.random.fork_rng():
        made = timm.create_model("test_resnet.r160_in1k", pretrained=False, num_classes=7)
    save_file(made.state_dict(), tmp_path / "w.safetensors")
    name = "timm:test_resnet.r160_in1k"
    model = load_module(name, weights=tmp_path / "w.safetensors", options={"num_classes": 7}, device=CPU)
    assert torch.equal(model(IMAGES), made.eval()(IMAGES))
    with pytest.raises(BenchError, match=r"has fc\.\w+, which the module has not"):
        load_module(name, weights=tmp_path / "w.safetensors", options={}, device=CPU)


PLACE = "tests.evaluation.tiny_onnx"


@pytest.mark.parametrize(
    ("spec", "options", "weights", "reason"),
    [
        ("nothing", {}, None, r"must be package\.module:factory or timm:NAME, found 'nothing'"),
        ("no.such.module:build", {}, None, "cannot be imported: ModuleNotFoundError"),
        (f"{PLACE}:Tyni", {}, None, r"unknown callable 'Tyni'; did you mean 'Tiny'\?"),
        (f"{PLACE}:SIDE", {}, None, "unknown callable 'SIDE'"),
        (f"{PLACE}:Tiny", {"depth": 3}, None, "TypeError: .*unexpected keyword argument 'depth'"),
        ("builtins:dict", {}, None, r"must give a torch\.nn\.Module, gave dict"),
        ("timm:resnet18", {}, None, r"has random weights; pass --weights FILE\.safetensors"),
        ("timm:resnet999", {}, "w.safetensors", r"unknown model 'resnet999'; did you mean"),
        (f"{PLACE}:Tiny", {}, "w.pth", r"holds a pickle, which can run any code .*safetensors\.torch"),
        (f"{PLACE}:Tiny", {}, "w.zip", r"must be a \.safetensors file"),
        (f"{PLACE}:Tiny", {}, "gone.safetensors", "cannot be read"),
        (f"{PLACE}:Tiny", {}, "w.safetensors", r"has conv\.weight of shape \(4, 3, 6, 6\) instead of \(6, 3, 6, 6\)"),
    ],
)
def test_what_cannot_be_loaded_is_one_clear_line(spec, options, weights, reason, tmp_path):
    save_file(Tiny(width=4).state_dict(), tmp_path / "w.safetensors")
    with pytest.raises(BenchError, match=reason) as caught:
        load_module(spec, weights=tmp_path / weights if weights else None, options=options, device=CPU)
    assert "\n" not in str(caught.value)


def test_a_modules_size_must_be_said():
    with pytest.raises(BenchError, match="pass --pixels, the side of the images"):
        torch_model(f"{PLACE}:Tiny", Preprocessing(), pixels=None, device=CPU)


# what a network gives


@pytest.fixture
def packed(tmp_path):
    pixels = np.random.default_rng(3).integers(0, 256, (7, SIDE, SIDE, 3), np.uint8)
    pixels.tofile(tmp_path / "images.u8")
    images = np.memmap(tmp_path / "images.u8", np.uint8, "r", shape=pixels.shape)
    return PackedImages(images, np.zeros(7, np.int64), ("a",), tuple("abcdefg"), "0" * 64, {}, np.arange(7), ())


def test_the_flip_test_adds_the_mirror_images_embedding(packed, monkeypatch):
    monkeypatch.setattr("bench.evaluation.embed.BATCH", 3)
    network, told = Tiny(), []
    rows = np.arange(7)
    found = raw_embeddings(
        network, packed, rows, flip=True, device=CPU, prepare=Preprocessing("bgr"), progress=lambda *at: told.append(at)
    )
    slow = []
    for image in packed.gather(rows):
        own, mirrored = (
            torch.from_numpy(((a[:, :, ::-1].astype(np.float32) - 127.5) / 127.5).transpose(2, 0, 1).copy())[None]
            for a in (image, image[:, ::-1])
        )
        slow.append((network(own) + network(mirrored))[0].detach())
    np.testing.assert_allclose(found.numpy(), torch.stack(slow).numpy(), rtol=1e-5, atol=1e-6)
    assert told == [(3, 7), (6, 7), (7, 7)]


@pytest.mark.parametrize(
    ("network", "reason"),
    [
        (lambda x: (x.mean((2, 3)), x), r"must give a tensor \(B, d\), this one gives a tuple; wrap it"),
        (lambda x: x.mean(3), r"must give \(7, d\) floats for 7 images, this one gives \(7, 3, 24\) float32"),
        (lambda x: x.mean((2, 3)).int(), r"this one gives \(7, 3\) int32"),
        (lambda x: x.mean((2, 3))[:1], r"this one gives \(1, 3\) float32"),
    ],
)
def test_a_network_that_gives_something_else_is_told_what(network, reason, packed):
    with pytest.raises(BenchError, match=reason):
        raw_embeddings(network, packed, np.arange(7), flip=False, device=CPU)


def test_half_precision_is_widened(packed):
    found = raw_embeddings(lambda x: x.mean((2, 3)).half(), packed, np.arange(7), flip=False, device=CPU)
    assert found.dtype == torch.float32


def test_importing_the_networks_imports_no_runtime_of_others():
    import subprocess

    program = "import sys, bench.evaluation.models; assert not {'onnxruntime', 'pyarrow', 'timm'} & sys.modules.keys()"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment, timeout=120)
