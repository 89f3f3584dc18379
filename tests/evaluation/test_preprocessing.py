"""What a network is fed: the numbers, the words, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bench.data.tensors import normalise
from bench.errors import BenchError
from bench.evaluation.preprocessing import Preprocessing, preprocessing

PIXELS = np.random.default_rng(0).integers(0, 256, (2, 5, 5, 3), np.uint8)


@pytest.mark.parametrize(
    ("words", "mean", "std"),
    [
        ({}, [127.5] * 3, [127.5] * 3),
        ({"scale": "0..1"}, [0.0] * 3, [255.0] * 3),
        ({"scale": "0..255", "colour": "bgr"}, [0.0] * 3, [1.0] * 3),
        ({"mean": "127.5", "std": "128"}, [127.5] * 3, [128.0] * 3),
        ({"mean": "1,2,3", "std": "4,5,6", "colour": "bgr"}, [1.0, 2.0, 3.0], [4.0, 5.0, 6.0]),
    ],
)
def test_the_tensor_is_what_the_words_say(words, mean, std):
    found = preprocessing(**words)(torch.from_numpy(PIXELS))
    assert found.shape == (2, 3, 5, 5)
    assert found.dtype == torch.float32
    assert found.is_contiguous()
    order = [2, 1, 0] if words.get("colour") == "bgr" else [0, 1, 2]
    for channel in range(3):
        slow = (PIXELS[..., order[channel]].astype(np.float32) - np.float32(mean[channel])) / np.float32(std[channel])
        np.testing.assert_array_equal(found[:, channel].numpy(), slow)


def test_the_default_is_what_our_own_networks_are_fed():
    pixels = torch.from_numpy(PIXELS)
    assert torch.equal(Preprocessing()(pixels), normalise(pixels))


def test_it_is_said_in_one_line():
    assert str(preprocessing()) == "RGB, (v − 127.5) / 127.5 of pixels v in 0..255, (B, 3, H, W) float32"
    assert str(preprocessing(mean="1,2,3", std="4", colour="bgr")).startswith("BGR, (v − (1, 2, 3)) / (4, 4, 4) of")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ({"colour": "gbr"}, r"unknown colour 'gbr'; .*allowed: bgr, rgb"),
        ({"scale": "-1..2"}, r"unknown scale '-1\.\.2'; did you mean '-1\.\.1'\?"),
        ({"mean": "1"}, "either --scale, or both --mean and --std"),
        ({"mean": "1", "std": "1", "scale": "0..1"}, "either --scale, or both"),
        ({"mean": "1,2", "std": "1"}, "--mean must be one number or three with commas"),
        ({"mean": "nan", "std": "1"}, "--mean must be"),
        ({"mean": "0", "std": "1,0,1"}, "--std must be above 0"),
        ({"mean": "0", "std": "x"}, "--std must be one number"),
    ],
)
def test_words_that_mean_nothing_are_refused(words, reason):
    with pytest.raises(BenchError, match=reason):
        preprocessing(**words)
