import math

import torch

from slow_margins.base import SlowMargin


class Slow(SlowMargin):
    most = math.pi / 2

    def prepare(self):
        noise = torch.randn(len(self.point.labels), generator=self.point.generator("elasticface")).tolist()
        self.drawn = [min(max(self.options["m"] + self.options["sigma"] * n, 0.0), self.most) for n in noise]
        self.m = self.assign(self.drawn)

    def assign(self, drawn):
        return drawn

    def psi(self, i, theta, norm):
        m = self.m[i]
        return math.cos(theta + m) if theta + m <= math.pi else math.cos(theta) - 1 + math.cos(m)
