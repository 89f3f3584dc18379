"""What every backbone promises: shapes, finite values, gradients, and weights that follow from the generator alone."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from bench.backbones.catalog import build
from bench.catalog import BACKBONES

OWN = [name for name in BACKBONES.names() if not name.startswith("timm/")]
DEEP = {"iresnet34", "iresnet50", "iresnet100"}
LIGHT = [name for name in OWN if name not in DEEP]
CNNS = ["timm/test_resnet", "timm/test_byobnet", "timm/mobilenetv3_small_050", "timm/vgg11"]
TRANSFORMERS = ["timm/test_vit"]


def build_seeded(name: str, pixels: int, seed: int = 0, **options: Any) -> nn.Module:
    generator = torch.Generator().manual_seed(seed)
    return build({"name": name, **options}, pixels=pixels, generator=generator)


def images(count: int, pixels: int, seed: int = 1) -> torch.Tensor:
    return torch.rand(count, 3, pixels, pixels, generator=torch.Generator().manual_seed(seed)) * 2 - 1


@pytest.mark.parametrize("pixels", [32, 40, 56, 112])
@pytest.mark.parametrize("name", [*OWN, *CNNS[:3], "timm/vit_tiny_patch16_224"])
def test_shapes_at_every_size(name: str, pixels: int) -> None:
    with torch.device("meta"):
        model = build_on_meta(name, pixels)
        assert model(torch.zeros(2, 3, pixels, pixels)).shape == (2, 64)


def build_on_meta(name: str, pixels: int) -> nn.Module:
    spec = BACKBONES.get(name)
    options, mistakes = spec.resolve({"embedding": 64})
    assert not mistakes
    model: nn.Module = spec.function(pixels=pixels, **options)
    return model


@pytest.mark.parametrize("name", [*LIGHT, *CNNS[:3], *TRANSFORMERS])
def test_values_are_finite_and_every_trained_parameter_gets_a_gradient(name: str) -> None:
    model = build_seeded(name, 32, embedding=64)
    embeddings = model(images(4, 32))
    assert embeddings.shape == (4, 64)
    assert embeddings.dtype == torch.float32
    assert embeddings.isfinite().all()
    embeddings.backward(images(4, 32).flatten(1)[:, :64])
    for parameter_name, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, parameter_name
            assert parameter.grad.isfinite().all(), parameter_name


@pytest.mark.parametrize("name", LIGHT)
def test_no_gradient_is_zero_by_construction(name: str) -> None:
    model = build_seeded(name, 32, embedding=64)
    model(images(8, 32)).square().mul(images(8, 32).flatten(1)[:, :64]).sum().backward()
    silent = [n for n, p in model.named_parameters() if p.requires_grad and not p.grad.abs().max() > 1e-7]
    assert silent == []


@pytest.mark.parametrize("name", [*LIGHT, "timm/test_resnet"])
def test_evaluation_repeats_and_ignores_the_rest_of_the_batch(name: str) -> None:
    model = build_seeded(name, 32, embedding=64, dropout=0.5).eval()
    batch = images(6, 32)
    with torch.inference_mode():
        whole, again, alone = model(batch), model(batch), model(batch[2:3])
    assert torch.equal(whole, again)
    direction = nn.functional.normalize
    torch.testing.assert_close(direction(whole[2:3]), direction(alone), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["small_cnn", "small_resnet", "mobilefacenet", *CNNS[:2], *TRANSFORMERS])
def test_weights_follow_from_the_generator_alone(name: str) -> None:
    torch.rand(3)
    first = build_seeded(name, 32, seed=5, embedding=32).state_dict()
    torch.rand(7)
    same = build_seeded(name, 32, seed=5, embedding=32).state_dict()
    other = build_seeded(name, 32, seed=6, embedding=32).state_dict()
    assert all(torch.equal(first[key], same[key]) for key in first)
    drawn = [key for key in first if first[key].ndim > 1 and first[key].float().std() > 0]
    assert drawn
    assert not any(torch.equal(first[key], other[key]) for key in drawn)


@pytest.mark.parametrize("name", ["small_cnn", "timm/test_resnet", "timm/test_vit"])
def test_global_generators_keep_their_states(name: str) -> None:
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    build_seeded(name, 32, embedding=32)
    after = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    assert torch.equal(before[0], after[0])
    assert before[1:] == after[1:]


def test_the_neck_is_the_field_s() -> None:
    neck = build_seeded("iresnet18", 112).neck
    parts = [type(part) for part in neck.children()]
    assert parts == [nn.BatchNorm2d, nn.Dropout, nn.Linear, nn.BatchNorm1d]
    assert neck.project.weight.shape == (512, 512 * 7 * 7)
    assert not neck.after.weight.requires_grad
    assert torch.equal(neck.after.weight, torch.ones(512))
    assert neck.after.bias.requires_grad


@pytest.mark.parametrize("name", ["small_cnn", "mobilefacenet", "timm/test_resnet"])
def test_embeddings_stay_float32_under_autocast(name: str) -> None:
    model = build_seeded(name, 32, embedding=32)
    with torch.autocast("cpu", torch.bfloat16):
        assert model(images(4, 32)).dtype == torch.float32


def test_training_drops_features_only_when_asked() -> None:
    batch = images(4, 32)
    kept, dropping = build_seeded("small_cnn", 32), build_seeded("small_cnn", 32, dropout=0.5)
    assert torch.equal(kept(batch), kept(batch))
    assert not torch.equal(dropping(batch), dropping(batch))


def test_a_residual_unit_is_the_paper_s() -> None:
    """One unit by hand: BN, conv, BN, PReLU, strided conv, BN, plus the strided 1×1 shortcut."""
    unit = build_seeded("small_resnet", 32).stages[0].double().eval()
    x = images(1, 8).double().repeat(1, 8, 1, 1)
    norm1, conv1, norm2, _, conv2, norm3 = unit.residual
    with torch.no_grad():
        for norm in (norm1, norm2, norm3):
            norm.running_mean.uniform_(-1, 1, generator=torch.Generator().manual_seed(3))
        y = (x - norm1.running_mean[:, None, None]) / (1 + norm1.eps) ** 0.5
        y = torch.conv2d(y, conv1.weight, padding=1)
        y = (y - norm2.running_mean[:, None, None]) / (1 + norm2.eps) ** 0.5
        y = torch.where(y > 0, y, 0.25 * y)
        y = torch.conv2d(y, conv2.weight, stride=2, padding=1)
        y = (y - norm3.running_mean[:, None, None]) / (1 + norm3.eps) ** 0.5
        shortcut = torch.conv2d(x, unit.shortcut[0].weight, stride=2) / (1 + norm3.eps) ** 0.5
        torch.testing.assert_close(unit(x), y + shortcut)
