"""Batches: what several processes see of one is what one process sees."""

import numpy as np
import pytest
import torch
import training_sets

from bench.catalog import AUGMENTATIONS
from bench.training.batches import Batches


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return training_sets.packed(tmp_path_factory.mktemp("images"), people=3, each=8)


def test_every_augmentation_gives_an_image_the_same_draws_whoever_has_it(images):
    recipe = {"batch": 12, "augmentation": [{"name": spec.name, **spec.defaults} for spec in AUGMENTATIONS]}

    def batches(own=None, augmentation=recipe["augmentation"]):
        return Batches(
            images, np.arange(24), images.labels, train="t", seed=0, recipe={**recipe, "augmentation": augmentation},
            device=torch.device("cpu"), own=own,
        )  # fmt: skip

    pixels, labels, most = batches().get(1, 1)
    parts = [batches(slice(first, first + 4)).get(1, 1) for first in (0, 4, 8)]
    assert torch.equal(torch.cat([part[0] for part in parts]), pixels)
    assert torch.equal(torch.cat([part[1] for part in parts]), labels)
    assert {part[2] for part in parts} == {most} == {int(labels.bincount().max())}
    for block in recipe["augmentation"]:
        plain, changed = (batches(augmentation=steps).get(1, 1)[0] for steps in ([], [block]))
        assert sum(not torch.equal(a, b) for a, b in zip(plain, changed, strict=True)) > 2, block["name"]
