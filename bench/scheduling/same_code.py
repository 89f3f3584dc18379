"""Whether two machines run the same code of this harness: otherwise one run id could stand for two trainings."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from pathlib import Path

import bench
from bench.scheduling.plan import METRICS, SEMANTICS


@functools.cache
def code_identity() -> dict[str, str]:
    """Version, semantics and metrics of this installation, and a digest of the text of all its modules."""
    root = Path(bench.__file__).parent
    text = hashlib.sha256()
    for path in sorted(root.rglob("*.py"), key=lambda path: path.relative_to(root).as_posix()):
        text.update(path.relative_to(root).as_posix().encode() + b"\0")
        text.update(hashlib.sha256(path.read_bytes().replace(b"\r\n", b"\n")).digest())
    return {
        "version": bench.__version__,
        "semantics": str(SEMANTICS),
        "metrics": str(METRICS),
        "code": text.hexdigest()[:12],
    }


def code_difference(here: Mapping[str, str], there: Mapping[str, str]) -> str | None:
    """In what the code there differs from the code here, in words; None where it does not."""
    differing = [name for name in here if here[name] != there.get(name)]
    return ", ".join(f"{name} {there.get(name, 'unknown')} instead of {here[name]}" for name in differing) or None
