import math
import statistics

from slow_margins.base import SlowMargin


class Slow(SlowMargin):
    def prepare(self):
        norms = [min(max(n, 0.001), 100.0) for n in self.point.norm]
        rate, after = self.options["rate"], self.point.after
        after["mean"] = (1 - rate) * self.point.state["mean"] + rate * statistics.fmean(norms)
        after["std"] = self.point.state["std"]
        if len(norms) > 1:
            after["std"] = (1 - rate) * after["std"] + rate * statistics.stdev(norms)
        z = [self.options["h"] * (n - after["mean"]) / (after["std"] + 0.001) for n in norms]
        self.z = [min(max(v, -1.0), 1.0) for v in z]

    def psi(self, i, theta, norm):
        m, z = self.options["m"], self.z[i]
        return math.cos(min(max(theta - m * z, 0.001), math.pi - 0.001)) - (m + m * z)
