"""One run of training, start to end: readable in one go, exact on resume."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from bench.backbones.catalog import build
from bench.data.packed import PackedImages
from bench.data.types import Int
from bench.errors import BenchError, NonFiniteLossError
from bench.losses.head import MarginHead
from bench.losses.shards import ALONE, Group
from bench.suite.seeds import seed_for
from bench.training.average import MovingAverage
from bench.training.batches import Batches
from bench.training.checkpoint import (
    load_checkpoint,
    load_optimiser,
    optimiser_tensors,
    prefixed,
    save_checkpoint,
    without_prefix,
)  # fmt: skip
from bench.training.meters import measured, meter_names
from bench.training.optimise import learning_rate, make_optimiser, strength_at
from bench.training.parallel import ONE_PROCESS, Move, Team
from bench.training.rows import train_rows
from bench.training.scaling import LossScale
from bench.training.step import forward_backward

CHECKPOINT_SECONDS = 20.0
CHECKPOINT_SHARE = 0.01  # of the time at most, so that large models checkpoint less often
FINITE_CHECK_STEPS = 20  # on an accelerator: looking at the loss makes the host wait

Tell = Callable[[dict[str, Any]], None]


class StoppedError(BenchError):
    """Training was asked to stop; what it had learnt is in its checkpoint."""


@dataclass(frozen=True)
class Trained:
    """A trained network: ``backbone`` and ``head`` on the training device, and what happened on the way.

    ``head_state``: that of the whole head, of which ``head`` is this process's part where several trained.
    """

    backbone: nn.Module
    head: MarginHead
    head_state: dict[str, torch.Tensor]
    epochs: int
    steps: int
    selected_epoch: int
    seconds: float


def make_models(config: dict[str, Any], *, classes: int, group: Group = ALONE) -> tuple[nn.Module, MarginHead]:
    """Backbone drawn by (seed, backbone), centres by (seed, training set, d), margin and gate by their own stream.

    ``group``: the processes that share the classes.
    """
    seed, train = int(config["seed"]), str(config["train"]["digest"])
    name, embedding = str(config["backbone"]["name"]), int(config["backbone"]["embedding"])

    def draw(use: str, **axes: int | str) -> torch.Generator:
        return torch.Generator().manual_seed(seed_for(use, seed=seed, **axes))

    backbone = build(config["backbone"], pixels=int(config["pixels"]), generator=draw("weights", backbone=name))
    head = MarginHead(
        config["margin"], config["enhancement"], classes, embedding,
        terms=config["terms"], block=config["classifier"]["block"], share=float(config["classifier"]["share"]),
        group=group, generator=draw("centres", train=train, embedding=embedding), stream=draw("margin", train=train),
    )  # fmt: skip
    return backbone, head


class Training:
    """The state of one run: models, optimiser, position. ``run`` trains to the end or until asked to stop.

    ``team``: the processes that train it together, each with a Training of its own. Their checkpoint is that of one
    process, and any number goes on from it.
    """

    def __init__(
        self, config: dict[str, Any], images: PackedImages, rows: Int, labels: Int, *, device: torch.device,
        checkpoint: Path, tell: Tell, stop: Callable[[], bool] = lambda: False,
        validate: Callable[[nn.Module], dict[str, float]] | None = None, team: Team = ONE_PROCESS,
    ) -> None:  # fmt: skip
        self.config, self.recipe, self.device, self.team = config, config["recipe"], device, team
        self.checkpoint, self.tell, self.stop, self.validate = checkpoint, tell, stop, validate
        self.batches = Batches(
            images, rows, labels,
            train=config["train"]["digest"], seed=config["seed"], recipe=self.recipe, device=device,
            own=team.own(int(self.recipe["batch"])),
        )  # fmt: skip
        if not self.batches.steps_per_epoch:
            raise BenchError(
                f"recipe.batch {self.recipe['batch']} is larger than the training set ({len(rows)} images)"
            )
        if self.recipe.get("replicas", team.size) != team.size:
            raise BenchError(
                f"this run normalises batches of each of {self.recipe['replicas']} processes, found {team.size}"
            )
        backbone, head = make_models(config, classes=int(labels.max()) + 1, group=team.group)
        backbone = backbone.to(device).to(memory_format=torch.channels_last)
        self.backbone = team.prepared(backbone, self.recipe)
        self.network = team.network(self.backbone, int(config["pixels"]))
        self.head = head.to(device)
        self.centres = self.head.centres if self.head.partial is None else self.head.partial.active
        self.parameters = [*self.backbone.parameters(), *self.head.trainable()]
        self.optimiser = make_optimiser(self.recipe, self.parameters)
        train_rows(self.optimiser, self.head)
        self.scale = LossScale(self.recipe["precision"], self.optimiser, device)
        self.average = MovingAverage(self.backbone, decay) if (decay := self.recipe.get("ema")) else None
        self.judged = self.backbone if self.average is None else self.average.backbone
        self.epoch, self.step, self.seconds = 0, 0, 0.0
        self.meters = meter_names(config)
        self.sums = torch.zeros(len(self.meters), device=device)
        self.first_bad = torch.full((), -1, device=device)
        self.best: tuple[float, int, dict[str, torch.Tensor]] | None = None
        self._resume()

    def run(self) -> Trained:
        """Trains the remaining epochs. Raises NonFiniteLossError with the step, StoppedError after a checkpoint."""
        saved = told = time.monotonic()
        took = 0.0
        while self.epoch < self.recipe["epochs"]:
            self.network.train()
            self.head.train()
            begun, first = time.monotonic(), self.step
            while self.step < self.batches.steps_per_epoch:
                self._train_step()
                now = time.monotonic()
                due = now - saved > max(CHECKPOINT_SECONDS, took / CHECKPOINT_SHARE)
                move = self.team.decide(Move.STOP if self.stop() else Move.SAVE if due else Move.GO_ON)
                if move is not Move.GO_ON:
                    self._save(self.seconds + now - begun)
                if move is Move.STOP:
                    raise StoppedError(f"stopped in epoch {self.epoch + 1} at step {self.step}")
                if move is Move.SAVE:
                    saved = time.monotonic()
                    took = saved - now
                if now - told > 1.0:
                    told = now
                    rate = (self.step - first) * self.batches.size / (now - begun)
                    self.tell({"kind": "step", **self._position(), "images_per_second": rate})
            self._check_finite()
            self.seconds += time.monotonic() - begun
            self._end_epoch((self.step - first) * self.batches.size / max(1e-9, time.monotonic() - begun))
        if self.best is not None:
            self.judged.load_state_dict(self.best[2])
        selected = self.best[1] if self.best else self.epoch
        head = self.team.whole(self.head.state_dict())
        return Trained(self.judged, self.head, head, self.epoch, self._steps_done(), selected, self.seconds)

    def _train_step(self) -> None:
        images, labels, most = self.batches.get(self.epoch, self.step)
        step = self._steps_done()
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.recipe, step, self.batches.steps_per_epoch)
        self.optimiser.zero_grad(set_to_none=True)
        strength = strength_at(self.config, step, self.batches.steps_per_epoch)
        loss = partial(self.head, labels=labels, step=step, strength=strength, max_repeat=most)
        moment = {"seed": int(self.config["seed"]), "epoch": self.epoch, "step": self.step, **self.team.axes}
        output = forward_backward(
            self.network, loss, images, recipe=self.recipe, moment=moment, scaled=self.scale.scaled
        )
        self.scale.unscale()
        norm = self.team.clip(self.parameters, self.centres, self.recipe["clip_gradient"] or math.inf)
        finite = torch.isfinite(output.loss.detach())
        if not self.scale.needed:  # else a gradient may overflow under the scale, and its step is skipped
            finite &= torch.isfinite(norm)
        self.first_bad = torch.where((self.first_bad < 0) & ~finite, step, self.first_bad)
        if self.device.type == "cpu" or self.step % FINITE_CHECK_STEPS == 0:
            self._check_finite()
        self.scale.step(step)
        if self.average is not None:
            self.average.follow(self.backbone, step)
        self.sums += self.team.mean(measured(output))
        self.step += 1

    def _steps_done(self) -> int:
        return self.epoch * self.batches.steps_per_epoch + self.step

    def _position(self) -> dict[str, int]:
        return {
            "epoch": self.epoch + 1,
            "epochs": self.recipe["epochs"],
            "step": self.step,
            "steps": self.batches.steps_per_epoch,
        }

    def _check_finite(self) -> None:
        step = int(self.first_bad)
        if step >= 0:
            raise NonFiniteLossError(
                f"the loss or its gradient is not finite at step {step} "
                f"(epoch {step // self.batches.steps_per_epoch + 1}); try a lower rate, a warm-up or a smaller scale"
            )

    def _end_epoch(self, images_per_second: float) -> None:
        last, each = self._steps_done(), self.batches.steps_per_epoch
        means: dict[str, float] = dict(zip(self.meters, (self.sums / each).tolist(), strict=True))
        event: dict[str, Any] = {
            "kind": "epoch",
            "epoch": self.epoch + 1,
            "epochs": self.recipe["epochs"],
            "loss": means["loss"],
            "base": means["base"],
            "term": means["term"] if self.head.term is not None else None,
            "strength": math.fsum(strength_at(self.config, step, each) for step in range(last - each, last)) / each,
            "terms": {block["name"]: means[f"terms.{block['name']}"] for block in self.config["terms"]},
            "target_angle_deg": math.degrees(means["target_angle"]),
            "posterior": means["posterior"] if self.head.margin.has_posterior else None,
            "lr": learning_rate(self.recipe, last - 1, each),
            "images_per_second": images_per_second,
            "seconds": self.seconds,
        }
        if self.scale.needed:
            event["skipped_steps"], self.scale.skipped = self.scale.skipped, 0
        if self.validate is not None:
            event["validation"] = self.validate(self.judged)
            score = event["validation"]["accuracy"]
            if self.recipe["select"] == "validation" and (self.best is None or score > self.best[0]):
                weights = {name: tensor.clone() for name, tensor in self.judged.state_dict().items()}
                self.best = (score, self.epoch + 1, weights)
        self.epoch, self.step = self.epoch + 1, 0
        self.sums.zero_()
        self.tell(event)

    def _save(self, seconds: float) -> None:
        head, memory = self.team.whole(self.head.state_dict()), optimiser_tensors(self.optimiser)
        memory |= self.team.whole(self._of_centres(memory), parted=lambda name: True)
        if self.team.rank > 0:
            return
        tensors = {
            **prefixed("backbone", self.backbone.state_dict()),
            **prefixed("head", head),
            **prefixed("optimiser", memory),
            "sums": self.sums,
        }
        position = {"epoch": self.epoch, "step": self.step, "seconds": seconds}
        state: dict[str, Any] = {**position, "best": None, "scaler": self.scale.state()}
        if self.average is not None:
            tensors |= prefixed("ema", self.average.backbone.state_dict())
        if self.best is not None:
            tensors |= prefixed("best", self.best[2])
            state["best"] = [self.best[0], self.best[1]]
        save_checkpoint(self.checkpoint, tensors, state)

    def _of_centres(self, memory: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """What the optimiser remembers of each class."""
        index = next(i for i, value in enumerate(self.parameters) if value is self.centres)
        return {name: value for name, value in memory.items() if name.startswith(f"{index}.") and value.ndim}

    def _resume(self) -> None:
        found = self.team.in_turn(
            lambda: load_checkpoint(self.checkpoint, lambda problem: self.tell({"kind": "warning", "text": problem}))
        )
        if found is None:
            return
        tensors, state = found
        self.backbone.load_state_dict(without_prefix("backbone", tensors))
        self.head.load_state_dict(self.team.part(without_prefix("head", tensors)))
        memory = without_prefix("optimiser", tensors)
        memory |= self.team.part(self._of_centres(memory), parted=lambda name: True)
        load_optimiser(self.optimiser, memory)
        self.sums.copy_(tensors["sums"])
        self.scale.load(state.get("scaler", {}))
        if self.average is not None:
            self.average.backbone.load_state_dict(without_prefix("ema", tensors))
        self.epoch, self.step, self.seconds = state["epoch"], state["step"], state["seconds"]
        if state["best"] is not None:
            self.best = (*state["best"], without_prefix("best", tensors))
        self.tell({"kind": "resumed", **self._position()})
