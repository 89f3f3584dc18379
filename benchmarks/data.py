"""Images a second: packing against a bare decoding loop, and gathering a shuffled epoch against decoding it.

    python benchmarks/data.py
    python benchmarks/data.py --format lfw_images --root PATH --pixels 56

Without ``--root``, smooth noise is written as 112 × 112 JPEG files first. The files are in the page cache when they are
timed. Every figure is the median of the repeats.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL
from PIL import Image, features
from tabulate import tabulate

from bench.catalog import FORMATS
from bench.data.cache import source_digest
from bench.data.packed import open_packed, pack
from bench.data.types import ImageList


def environment() -> str:
    """What the figures depend on; no host name."""
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text().splitlines() if facts.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    processor = models[0] if models else platform.processor() or platform.machine()
    decoder = f"Pillow {PIL.__version__} (libjpeg-turbo {features.version('libjpeg_turbo')})"
    return f"Python {platform.python_version()}, numpy {np.__version__}, {decoder}; {processor}, {os.cpu_count()} cores"


def write_images(root: Path, count: int, people: int = 50) -> None:
    """Smooth noise compresses about as faces do."""
    draws = np.random.default_rng(0)
    for i in range(count):
        coarse = Image.fromarray(draws.integers(0, 256, (14, 14, 3), np.uint8))
        file = root / f"{i % people:03d}" / f"{i:06d}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        coarse.resize((112, 112), Image.Resampling.BICUBIC).save(file, quality=85)


def rate(step: Callable[[], object], images: int, repeats: int, before: Callable[[], object] = lambda: None) -> float:
    """Images a second of the median repeat; ``before`` is not timed."""
    times = []
    for _ in range(repeats):
        before()
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return images / statistics.median(times)


def measure(images: ImageList, cache: Path, arguments: argparse.Namespace) -> list[tuple[str, float]]:
    count, pixels, repeats = len(images.files), arguments.pixels, arguments.repeats

    def decode_all() -> None:
        for file in images.files:
            with Image.open(images.root / file) as image:
                rgb = image.convert("RGB")
            np.asarray(rgb if rgb.size == (pixels, pixels) else rgb.resize((pixels, pixels), Image.Resampling.BILINEAR))

    decode_all()  # brings the files into the page cache
    hashed = rate(lambda: source_digest(images, cache=cache), count, 1)
    known = rate(lambda: source_digest(images, cache=cache), count, repeats)
    bare = rate(decode_all, count, repeats)
    empty: Callable[[], object] = lambda: shutil.rmtree(cache / "packed", ignore_errors=True)  # noqa: E731
    alone = rate(lambda: pack(images, pixels=pixels, cache=cache, workers=1), count, repeats, empty)
    cores = rate(lambda: pack(images, pixels=pixels, cache=cache), count, repeats, empty)
    store = open_packed(cache, pack(images, pixels=pixels, cache=cache))
    order = np.random.default_rng(0).permutation(count)

    def epoch() -> None:
        for start in range(0, count, arguments.batch):
            store.gather(order[start : start + arguments.batch])

    gathered = rate(epoch, count, repeats)
    return [
        ("digest, files read", hashed),
        ("digest, files known", known),
        ("bare decoding, one process", bare),
        ("pack, one process", alone),
        ("pack, all cores", cores),
        ("pack / bare decoding, one process, % (target: at least 95)", 100 * alone / bare),
        ("pack, all cores / one process, %", 100 * cores / alone),
        ("gather a shuffled epoch", gathered),
        ("gather / bare decoding (target: at least 20)", gathered / bare),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, help="a data set of your own")
    parser.add_argument("--format", default="folder", help="the training format that reads --root")
    parser.add_argument(
        "--images", type=int, default=12000, help="images to write without --root; few are packed in one process"
    )
    parser.add_argument("--pixels", type=int, default=112)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        root = arguments.root or Path(scratch) / "faces"
        if arguments.root is None:
            write_images(root, arguments.images)
        images = FORMATS.get(arguments.format).function(root)
        print(
            f"{environment()}\n{len(images.files)} images to {arguments.pixels} pixels, batches of {arguments.batch}\n"
        )
        print(tabulate(measure(images, Path(scratch) / "cache", arguments), ["", "images/s"], floatfmt=",.0f"))


if __name__ == "__main__":
    main()
