import math

from slow_margins.sphereface import Slow as SlowSphereFace


class Slow(SlowSphereFace):
    """Logits keep ‖x‖, and ψ is mixed with cos θ, β : 1, where β falls with the step."""

    def psi(self, i, theta, norm):
        falling = self.options["beta_start"] / (1 + self.options["beta_decay"] * self.point.step)
        beta = falling if falling > self.options["beta_least"] else self.options["beta_least"]
        return (beta * math.cos(theta) + super().psi(i, theta, norm)) / (1 + beta)

    def factor(self, norm_x, norm_w):
        return norm_x
