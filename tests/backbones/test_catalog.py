"""Names, options and facts of backbones, without and with torch."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import timm
import torch

from bench.backbones.catalog import BackboneFacts, build, describe, find
from bench.backbones.families.timm import NAMES_FILE
from bench.catalog import BACKBONES
from bench.errors import BenchError, UnknownNameError

OWN = [name for name in BACKBONES.names() if not name.startswith("timm/")]


def build_at(config: dict[str, Any], pixels: int = 40) -> torch.nn.Module:
    return build(config, pixels=pixels, generator=torch.Generator().manual_seed(0))


def test_specs_are_read_without_heavy_imports() -> None:
    code = (
        "import sys; from bench.backbones import catalog; catalog.find('timm/resnet18'); catalog.find('iresnet50');"
        "heavy = {'torch', 'timm', 'numpy'} & set(sys.modules); assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_what_the_issue_names_is_there() -> None:
    asked = {"iresnet18", "iresnet34", "iresnet50", "iresnet100", "mobilefacenet", "small_cnn"}
    assert asked <= set(OWN)


@pytest.mark.parametrize("name", OWN)
def test_committed_facts_are_the_measured_ones(name: str) -> None:
    traits = find(name).traits
    assert BackboneFacts(traits["parameters"], traits["macs"]) == describe({"name": name}, pixels=112)


@pytest.mark.parametrize(("name", "giga"), [("iresnet18", 2.6), ("iresnet50", 6.3), ("iresnet100", 12.1)])
def test_iresnet_costs_what_the_field_says(name: str, giga: float) -> None:
    """The column FLOPs (multiply-accumulates) of the model zoo in InsightFace's arcface_torch README."""
    assert round(describe({"name": name}, pixels=112).macs / 1e9, 1) == giga


def test_mobilefacenet_costs_what_its_paper_says() -> None:
    """arXiv:1804.07573 at its embedding of 128: 0.99 M parameters, with one PReLU slope a layer, and 221 M MAdds."""
    model = build_at({"name": "mobilefacenet", "embedding": 128}, pixels=112)
    slopes = [module.weight.numel() - 1 for module in model.modules() if isinstance(module, torch.nn.PReLU)]
    facts = describe({"name": "mobilefacenet", "embedding": 128}, pixels=112)
    assert int((facts.parameters - sum(slopes)) / 1e4) == 99
    assert round(facts.macs / 1e6) == 221


def test_macs_of_a_cnn_by_hand() -> None:
    maps, widths = (16, 8, 8, 4, 4, 2, 2), (32, 64, 64, 128, 128, 128, 128)
    by_hand, before = 0, 3
    for side, width in zip(maps, widths, strict=True):
        by_hand += side * side * width * before * 9
        before = width
    by_hand += 2 * 2 * 128 * 512
    assert describe({"name": "small_cnn", "depth": 2}, pixels=32).macs == by_hand


def test_the_list_of_timm_names_is_sorted_and_true() -> None:
    names = NAMES_FILE.read_text(encoding="utf-8").split()
    assert names == sorted(set(names))
    assert set(names) <= set(timm.list_models())


@pytest.mark.parametrize(
    ("name", "near"),
    [("timm/resnt18", "timm/resnet18"), ("iresnet5", "iresnet50"), ("mobilfacenet", "mobilefacenet")],
)
def test_an_unknown_name_gets_the_nearest(name: str, near: str) -> None:
    with pytest.raises(UnknownNameError, match=f"unknown backbone '{name}'; did you mean '{near}'"):
        find(name)


def test_every_wrong_option_is_said_at_once() -> None:
    config = {"name": "small_cnn", "embedding": 0, "widht": 3, "dropout": 1.0}
    with pytest.raises(BenchError) as caught:
        build_at(config)
    text = str(caught.value)
    assert "embedding: must be a whole number >= 2, found 0" in text
    assert "'widht'; did you mean 'width'?" in text
    assert "dropout: must be a number >= 0 and < 1, found 1.0" in text
    assert "\n" not in text


def test_build_leaves_the_config_alone() -> None:
    config = {"name": "small_cnn", "embedding": 16}
    build_at(config)
    assert config == {"name": "small_cnn", "embedding": 16}


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ({"name": "timm/resnet18", "options": {"depht": 3}}, "unexpected keyword argument 'depht'"),
        ({"name": "timm/test_resnet", "options": {"global_pool": ""}}, "must give one vector an image"),
        ({"name": "timm/test_resnet", "options": {"pretrained": True}}, "'pretrained' cannot be set"),
        ({"name": "timm/test_resnet", "options": {"num_classes": 9}}, "say `embedding` beside the name"),
        ({"name": "timm/test_resnet", "options": [1]}, "must be a mapping of names to values, found [1]"),
        ({"name": "timm/halonet26t"}, "cannot be built for 40×40 images: it gives no reason"),
    ],
)
def test_what_timm_cannot_do_is_one_line(config: dict[str, Any], text: str) -> None:
    with pytest.raises(BenchError) as caught:
        build_at(config)
    assert text in str(caught.value)
    assert f"backbone '{config['name']}'" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_options_and_empty_options_are_one_configuration() -> None:
    spec = find("timm/test_resnet")
    assert spec.resolve({"options": {}}) == spec.resolve({}) == spec.resolve({"options": None})


def test_options_reach_timm() -> None:
    plain = describe({"name": "timm/test_resnet"}, pixels=40)
    doubled = describe({"name": "timm/test_resnet", "options": {"global_pool": "catavgmax"}}, pixels=40)
    patches = describe({"name": "timm/test_vit", "options": {"patch_size": 8}}, pixels=48)
    assert doubled.parameters > plain.parameters
    assert patches.macs > describe({"name": "timm/test_vit"}, pixels=48).macs
