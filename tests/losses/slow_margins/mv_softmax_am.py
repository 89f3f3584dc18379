from slow_margins.cosface import Slow as SlowCosFace
from slow_margins.mv_softmax_arc import Slow as SlowArc


class Slow(SlowArc):
    def psi(self, i, theta, norm):
        return SlowCosFace.psi(self, i, theta, norm)
