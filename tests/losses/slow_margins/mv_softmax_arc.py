from slow_margins.arcface import Slow as SlowArcFace
from slow_margins.mv_softmax_am import Slow as SlowAM


class Slow(SlowAM):
    psi = SlowArcFace.psi
