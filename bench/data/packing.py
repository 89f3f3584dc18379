"""A training set or a protocol packed ahead, and what that took."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.data.cache import stored_at
from bench.data.packed import OnBadImage, Progress, open_packed, pack
from bench.data.protocols import open_protocol, pack_protocol
from bench.data.types import ImageList, Protocol


@dataclass(frozen=True)
class Stored:
    """``digest`` of the images; ``protocol``: its own, or None; ``bytes`` on disk; ``new``: it was not there before."""

    digest: str
    protocol: str | None
    images: int
    bytes: int
    folder: Path
    new: bool
    skipped: tuple[str, ...]

    def record(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "folder": str(self.folder)}


def pack_source(
    found: ImageList | Protocol,
    pixels: int,
    cache: Path,
    *,
    on_bad_image: OnBadImage = "refuse",
    progress: Progress | None = None,
) -> Stored:
    """Packs what a reader found. Raises as ``pack`` and ``pack_protocol`` do."""
    decoded = 0

    def count(done: int, total: int) -> None:
        nonlocal decoded
        decoded = done
        if progress:
            progress(done, total)

    if isinstance(found, Protocol):
        protocol = pack_protocol(found, pixels=pixels, cache=cache, on_bad_image=on_bad_image, progress=count)
        packed = open_protocol(cache, protocol).images
    else:
        protocol = None
        packed = open_packed(cache, pack(found, pixels=pixels, cache=cache, on_bad_image=on_bad_image, progress=count))
    folder = stored_at(cache, "packed", packed.digest)
    size = sum(file.stat().st_size for file in folder.iterdir())
    return Stored(packed.digest, protocol, len(packed.labels), size, folder, bool(decoded), packed.skipped)
