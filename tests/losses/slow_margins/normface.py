from slow_margins.base import SlowMargin as Slow  # noqa: F401
