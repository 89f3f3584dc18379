"""The stated cosine and the conservative rate, in plain Python: integers, fractions and loops."""

import math
from fractions import Fraction


def slow_row(embedding) -> list[int]:
    """Coordinates at length 1 in units of 2⁻²⁶."""
    values = [float(x) for x in embedding]
    squares = 0.0
    for x in values:
        squares += x * x
    return [round(x / math.sqrt(squares) * 2**26) for x in values]


def slow_cosine(first, second) -> Fraction:
    """A whole number of 2⁻²⁴; Python rounds a fraction's half to even."""
    product = sum(a * b for a, b in zip(slow_row(first), slow_row(second), strict=True))
    return Fraction(max(-(2**24), min(2**24, round(Fraction(product, 2**28)))), 2**24)


def slow_rate(genuine, impostor, far: Fraction) -> tuple[float, float] | tuple[None, None]:
    """(TAR, threshold): every threshold is tried."""
    allowed = int(far * len(impostor))
    if not allowed or not genuine:
        return None, None
    legal = [t for t in {*genuine, *impostor} if sum(i >= t for i in impostor) <= allowed]
    counts = {t: sum(g >= t for g in genuine) for t in legal}
    best = max(counts.values(), default=0)
    if best == 0:
        return 0.0, math.inf
    return best / len(genuine), float(max(t for t in legal if counts[t] == best))
