import math

from slow_terms.base import SlowPairs


class Slow(SlowPairs):
    def energy(self, theta):
        z = theta
        if self.options["distance"] == "euclidean":
            z = math.dist((1, 0), (math.cos(theta), math.sin(theta)))
        return math.log(1 / z) if self.options["power"] == 0 else 1 / z ** self.options["power"]

    def pair(self, theta):
        if self.options["half_space"]:
            return 0.5 * self.energy(theta) + 0.5 * self.energy(math.pi - theta)
        return self.energy(theta)
