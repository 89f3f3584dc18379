from slow_margins.arcface import Slow  # noqa: F401
