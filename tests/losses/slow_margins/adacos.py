import math

from slow_margins.base import SlowMargin


class Slow(SlowMargin):
    def prepare(self):
        self.s = self.point.state["s"]
        if self.options["dynamic"]:
            others = [
                math.fsum(math.exp(self.s * math.cos(t)) for j, t in enumerate(row) if j != y)
                for row, y in zip(self.point.theta, self.point.labels, strict=True)
            ]
            own = sorted(self.own(i) for i in range(len(others)))
            median, mean = own[(len(own) - 1) // 2], math.fsum(others) / len(others)
            least = math.sqrt(2) * math.log(2)
            found = math.log(mean) / math.cos(min(math.pi / 4, median)) if mean > 0 else least
            self.s = min(max(found, least), 1000.0)
        self.point.after["s"] = self.s
