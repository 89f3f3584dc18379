"""From packed uint8 images to augmented, normalised batches on the training device."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from bench.catalog import AUGMENTATIONS
from bench.data.packed import PackedImages
from bench.data.tensors import normalise
from bench.data.types import Int
from bench.suite.seeds import seed_for
from bench.training.draws import Draws


def epoch_order(seed: int, train: str, epoch: int, count: int) -> Int:
    """The order in which an epoch visits ``count`` images: the same for every backbone, margin and strength."""
    return np.random.default_rng(seed_for("order", seed=seed, train=train, epoch=epoch)).permutation(count)


class Batches:
    """Gathers, moves, normalises and augments; every draw follows from (seed, training set, epoch, step).

    ``own``: which images of each batch are wanted, all by default; they are those that they would be among all.
    """

    def __init__(
        self, images: PackedImages, rows: Int, labels: Int, *, train: str, seed: int, recipe: dict[str, Any],
        device: torch.device, own: slice | None = None,
    ) -> None:  # fmt: skip
        self.images, self.rows, self.labels, self.train, self.seed = images, rows, labels, train, seed
        self.size, self.device = int(recipe["batch"]), device
        self.own = slice(0, self.size) if own is None else own
        self.steps_per_epoch = len(rows) // self.size
        self._augment = [
            (AUGMENTATIONS.get(block["name"]).function, {k: v for k, v in block.items() if k != "name"})
            for block in recipe["augmentation"]
        ]
        self._order: tuple[int, Int] = (-1, np.zeros(0, np.int64))

    def get(self, epoch: int, step: int) -> tuple[torch.Tensor, torch.Tensor, int]:
        """The own n images (n, 3, H, W) float32 and labels (n,) int64 on the device, and the most samples that the
        whole batch has of one class."""
        if self._order[0] != epoch:
            self._order = (epoch, epoch_order(self.seed, self.train, epoch, len(self.rows)))
        picked = self._order[1][step * self.size : (step + 1) * self.size]
        # Sorted rows read the memory map forwards; BatchNorm and the loss do not mind the order inside a batch.
        picked = np.sort(picked)
        most = int(np.bincount(self.labels[picked]).max())
        picked = picked[self.own]
        labels = torch.from_numpy(self.labels[picked]).to(self.device, non_blocking=True)
        pixels = torch.from_numpy(self.images.gather(self.rows[picked])).to(self.device, non_blocking=True)
        images = normalise(pixels)
        generator = torch.Generator().manual_seed(
            seed_for("augmentation", seed=self.seed, train=self.train, epoch=epoch, step=step)
        )
        draws = Draws(generator, self.size, self.own, self.device)
        for function, options in self._augment:
            images = function(images, draws, **options)
        return images.contiguous(memory_format=torch.channels_last), labels, most
