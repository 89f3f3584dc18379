import math

from slow_margins.base import SlowMargin


class Slow(SlowMargin):
    def length(self, norm):
        return min(max(norm, self.options["l_a"]), self.options["u_a"])

    def psi(self, i, theta, norm):
        low, high = self.options["l_a"], self.options["u_a"]
        share = (self.length(norm) - low) / (high - low)
        m = (1 - share) * self.options["l_m"] + share * self.options["u_m"]
        if theta + m <= math.pi:
            return math.cos(theta + m)
        return math.cos(theta) - (m * math.sin(m) if self.options["fallback"] == "legacy" else 1 - math.cos(m))

    def extra(self, i, norm):
        a = self.length(norm)
        return self.options["lambda_g"] * (a / self.options["u_a"] ** 2 + 1 / a)
