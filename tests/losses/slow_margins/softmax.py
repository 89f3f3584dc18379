from slow_margins.base import SlowMargin


class Slow(SlowMargin):
    def factor(self, norm_x, norm_w):
        return norm_x * norm_w
