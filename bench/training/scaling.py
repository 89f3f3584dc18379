"""float16's loss scale: the loss is multiplied before it is differentiated, so that small gradients do not vanish."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from bench.errors import NonFiniteLossError

MOST_SKIPS = 20
"""Steps in a row whose gradient may overflow. Each halves the scale: from the first, 65536, to 1/16."""


class LossScale:
    """The scale of a recipe's ``precision``; with another than float16 it is 1 and every step is taken.

    A step whose gradient overflows under the scale is skipped: weights and the optimiser's memory keep every bit, and
    the scale is halved. After 2000 steps in a row that were taken it is doubled (torch.amp.GradScaler).
    ``skipped``: steps skipped in the present epoch.
    """

    def __init__(self, precision: str, optimiser: torch.optim.Optimizer, device: torch.device) -> None:
        self.needed = precision == "float16"
        self.skipped = 0
        self._in_a_row, self._taken = 0, True
        self._optimiser = optimiser
        self._scaler = torch.amp.GradScaler(device.type, enabled=self.needed)
        optimiser.register_step_post_hook(self._stepped)

    def _stepped(self, *_: object) -> None:
        self._taken = True

    def scaled(self, loss: Tensor) -> Tensor:
        """The loss times the scale, ()."""
        scaled: Tensor = self._scaler.scale(loss)
        return scaled

    def unscale(self) -> None:
        """Divides the gradients that the optimiser is about to use by the scale again."""
        self._scaler.unscale_(self._optimiser)

    def step(self, number: int) -> None:
        """Steps the optimiser, unless a gradient is not finite. With float16 alone this waits for a GPU.

        Raises NonFiniteLossError at step ``number`` where more than MOST_SKIPS would have been skipped in a row.
        """
        self._taken = False
        self._scaler.step(self._optimiser)
        self._scaler.update()
        if self._taken:
            self._in_a_row = 0
            return
        self._in_a_row += 1
        self.skipped += 1
        if self._in_a_row > MOST_SKIPS:
            raise NonFiniteLossError(
                f"the gradient is not finite in float16 at step {number}, and was not at the {MOST_SKIPS} before it; "
                "try recipe.precision bfloat16 or float32, a lower rate, a warm-up or a smaller scale"
            )

    def state(self) -> dict[str, Any]:
        """All that the next step depends on, as JSON has it; empty where there is no scale."""
        if not self.needed:
            return {}
        return {**self._scaler.state_dict(), "skipped": self.skipped, "in_a_row": self._in_a_row}

    def load(self, state: dict[str, Any]) -> None:
        if self.needed:
            self._scaler.load_state_dict(state)
            self.skipped, self._in_a_row = state["skipped"], state["in_a_row"]
