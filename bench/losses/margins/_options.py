"""Options that several margins share."""

from __future__ import annotations

from bench.catalog import Option

margin_gradient = Option(
    "margin_gradient",
    "true",
    "true: back-propagate through ψ; straight_through: the value of ψ with the gradient of cos θ",
    choices=("true", "straight_through"),
    named=True,
)

negative_gradient = Option(
    "negative_gradient",
    "true",
    "true: back-propagate through what the other classes' cosines become; straight_through: with their own gradient",
    choices=("true", "straight_through"),
    named=True,
)

fallback = Option(
    "fallback",
    "monotone",
    "past θ + m > π: monotone continues without a jump, legacy drops by m·sin m as the released codes do",
    choices=("monotone", "legacy"),
    named=True,
)


def scale(default: float, source: str) -> Option:
    """The factor s between a cosine and its logit; the head applies it, ψ never sees it."""
    return Option("s", default, "scale: logit = s·cosine", source=source, above=0)
