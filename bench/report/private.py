"""What goes out to readers holds no absolute path and no password: neither says anything about a result."""

from __future__ import annotations

import re
from typing import TypeVar

T = TypeVar("T")

_PATH = re.compile(r"(?<![\w.…/:<~\\-])/(?:[^\s/'\":;,<>()\[\]{}]+/)*(?P<name>[^\s/'\":;,<>()\[\]{}]+)")
_ACCOUNT = re.compile(r"(?<=://)[^/@\s]+@")


def public(text: str) -> str:
    """The text with each absolute path cut to ``…/`` and its last part, and without accounts in URLs.

    What is relative stays, so does what was cut before: ``public(public(text)) == public(text)``.
    """
    if text.startswith("/") and "\n" not in text and not text.startswith("//"):
        return f"…/{text.rstrip('/').rpartition('/')[2]}"  # a value that is a path as a whole, blanks and all
    return _ACCOUNT.sub("…@", _PATH.sub(r"…/\g<name>", text))


def all_public(value: T) -> T:
    """A JSON value with every text in it made `public`; keys are left as they are."""
    made: object = value
    if isinstance(value, str):
        made = public(value)
    elif isinstance(value, dict):
        made = {key: all_public(inner) for key, inner in value.items()}
    elif isinstance(value, list | tuple):
        made = [all_public(inner) for inner in value]
    return made  # type: ignore[return-value]


def public_plan(plan: dict[str, object]) -> dict[str, object]:
    """A plan as it may be handed on: its runs, whose ids rest on every letter, are left as they are."""
    return {key: value if key == "runs" else all_public(value) for key, value in plan.items()}
