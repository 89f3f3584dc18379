"""False accept rates as exact fractions, because ⌊.29·100⌋ is 28 in floats."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from bench.errors import DataError

Far = str | Decimal | Fraction | float


def exact_rate(far: Far) -> Fraction:
    """``far`` as an exact fraction in (0, 1); a float stands for its shortest decimal. DataError for anything else."""
    try:
        rate = far if isinstance(far, Fraction) else Fraction(str(far))
    except (ValueError, ZeroDivisionError):
        raise DataError(f"a false accept rate must be a number such as 1e-3, found {far!r}") from None
    if not 0 < rate < 1:
        raise DataError(f"a false accept rate must lie in (0, 1), found {far!r}")
    return rate


def rate_text(rate: Fraction) -> str:
    """One spelling for each rate: ``1e-3``, ``2.9e-1``; a fraction without a finite decimal stays ``1/3``."""
    decimal = (Decimal(rate.numerator) / rate.denominator).normalize()
    return f"{decimal:e}" if Fraction(decimal) == rate else str(rate)
