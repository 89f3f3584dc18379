"""What lies in the cache and is not used: packed images and protocols, and what a packing that was cut short left."""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection
from pathlib import Path

from filelock import FileLock, Timeout

from bench.data.protocols import images_digest

_DIGEST = re.compile(r"[0-9a-f]{64}")


def unused(cache: Path, *, images: Collection[str], protocols: Collection[str]) -> list[tuple[Path, str]]:
    """Paths below the cache that serve neither these packed images nor these protocols, with the reason.

    Only names that packing itself gives are looked at, and nothing behind a link.
    """
    used = {*images, *(images_digest(cache, protocol) for protocol in protocols)}
    found = [
        (path, "protocol that no plan here uses")
        for path in _entries(cache / "protocols")
        if path.suffix == ".safetensors" and _DIGEST.fullmatch(path.stem) and path.stem not in protocols
    ]
    for path in _entries(cache / "packed"):
        digest, _, ending = path.name.strip(".").partition(".")
        if not _DIGEST.fullmatch(digest):
            continue
        if ending == "" and digest not in used:
            found.append((path, "packed images that no plan here uses"))
        elif ending == "damaged":
            found.append((path, "packed images that were damaged and set aside"))
        elif ending == "partial":
            found.append((path, "left by a packing that was cut short"))
    return found


def remove(path: Path) -> bool:
    """Removes what ``unused`` named; False where somebody is packing it right now."""
    if path.is_file():
        path.unlink(missing_ok=True)
        return True
    digest = path.name.strip(".").partition(".")[0]
    try:
        with FileLock(path.with_name(f".{digest}.lock"), timeout=0):
            going = path.with_name(f".{digest}.partial")  # half of it is never taken for the whole
            if path != going:
                shutil.rmtree(going, ignore_errors=True)
                path.rename(going)
            shutil.rmtree(going)
    except Timeout:
        return False
    return True


def _entries(folder: Path) -> list[Path]:
    if not folder.is_dir() or folder.is_symlink():
        return []
    return sorted(path for path in folder.iterdir() if not path.is_symlink())
