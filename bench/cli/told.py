"""What is told of runs, in words: events, standings, sizes and times."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from bench.scheduling.standing import Standing


def event_line(event: Mapping[str, Any]) -> str:
    """One line of ``events.jsonl``: when, what, and its numbers. An event that is not known is told as it is."""
    return f"{clock(event.get('time'))}  {_what(event)}"


def _what(event: Mapping[str, Any]) -> str:
    kind = event.get("kind")
    try:
        if kind == "epoch":
            return _epoch(event)
        if kind == "resumed":
            return f"resumed in epoch {event['epoch']} of {event['epochs']} after step {event['step']}/{event['steps']}"
        if kind == "evaluated":
            return f"evaluated on {event['protocol']} in {event['seconds']:.1f} s"
        if kind == "failed":
            return f"failed ({event['reason']}): {event['error']}"
        if kind == "retry":
            return f"tried again: {event['error']}"
        if kind == "warning":
            return f"warning: {event['text']}"
        if kind == "superseded":
            return f"trained again in another execution class ({event['differs']}); before: {event['kept']}"
    except (KeyError, TypeError, ValueError):
        pass  # written by another version
    rest = [f"{name}={value}" for name, value in event.items() if name not in ("time", "kind")]
    return " ".join([str(kind), *rest])


def _epoch(event: Mapping[str, Any]) -> str:
    parts = [f"epoch {event['epoch']}/{event['epochs']}", f"loss {event['loss']:.4f}"]
    if event.get("term") is not None:
        parts.append(f"term {event['term']:.4f} at λ {event['strength']:.3g}")
    parts += [f"{name} {value:.4f}" for name, value in (event.get("terms") or {}).items()]
    if event.get("target_angle_deg") is not None:
        parts.append(f"angle {event['target_angle_deg']:.2f}°")
    parts += [f"lr {event['lr']:.3g}", f"{event['images_per_second']:.0f} images/s"]
    if event.get("validation"):
        parts.append(f"validation {100 * event['validation']['accuracy']:.2f} %")
    return "  ".join(parts)


def standing_row(run: Standing, now: float) -> dict[str, str]:
    """One run in a table; its id by the beginning, which other commands take."""
    return {
        "run": run.run[:8],
        "state": run.state,
        "epoch": "" if run.epoch is None else f"{run.epoch}/{run.epochs}",
        "images/s": "" if run.images_per_second is None else f"{run.images_per_second:.0f}",
        "for": age(now - run.since) if run.state == "running" and run.since is not None else "",
        "tries": "" if run.attempts is None else str(run.attempts),
        "what": run.name,
    }


def clock(seconds: float | None) -> str:
    """Local date and time to the second."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds)) if seconds is not None else " " * 19


def age(seconds: float) -> str:
    """A length of time in its largest unit."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def size(count: int) -> str:
    """Bytes in their largest unit of 1024."""
    for power, unit in ((3, "GiB"), (2, "MiB"), (1, "KiB")):
        if count >= 1024**power:
            return f"{count / 1024**power:.1f} {unit}"
    return f"{count} B"
