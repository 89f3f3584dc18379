import math

import torch

from slow_margins.base import SlowMargin

HALF_TURN = math.pi / 2


def drawn(slow, most):
    draws = torch.empty(len(slow.point.labels)).normal_(
        slow.options["m"], slow.options["sigma"], generator=slow.point.generator("elastic margin")
    )
    return [min(max(m, 0.0), most) for m in draws.tolist()]


def given_out(slow, margins):
    """Rank by rank: the nearest sample gets the least margin; or as the authors' code has it."""
    order = sorted(range(len(margins)), key=slow.own)
    rising, out = sorted(margins), [0.0] * len(margins)
    for rank, sample in enumerate(order):
        if slow.options["as_released"]:
            out[rank] = rising[sample]
        else:
            out[sample] = rising[rank]
    return out


class Slow(SlowMargin):
    def prepare(self):
        self.m = drawn(self, HALF_TURN)

    def psi(self, i, theta, norm):
        m = self.m[i]
        if theta + m <= math.pi:
            return math.cos(theta + m)
        return math.cos(theta) - (m * math.sin(m) if self.options["fallback"] == "legacy" else 1 - math.cos(m))
