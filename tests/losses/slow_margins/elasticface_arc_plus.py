from slow_margins.elasticface_arc import HALF_TURN, drawn, given_out
from slow_margins.elasticface_arc import Slow as SlowArc


class Slow(SlowArc):
    def prepare(self):
        self.m = given_out(self, drawn(self, HALF_TURN))
