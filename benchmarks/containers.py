"""Images a second out of a record file against single files, and seconds to read a long index.

    python benchmarks/containers.py
    python benchmarks/containers.py --images 200000 --index 5000000

Writes noise of the size of 112 × 112 JPEG files first. All files are in the page cache when they are timed. Every
figure is the median of the repeats.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from tabulate import tabulate

from bench.data.containers import record
from bench.data.containers.bin import BinFile, write_bin
from bench.data.containers.record import RecordFile
from bench.data.containers.record_writer import write_records
from bench.data.formats.rec import rec


def seconds(step: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def images(count: int) -> Iterator[bytes]:
    draws = np.random.default_rng(0)
    for size in draws.integers(2000, 5000, count).tolist():
        yield b"\xff\xd8" + draws.bytes(size)


def write_files(folder: Path, count: int) -> list[Path]:
    """The same images as single files, fifty in a folder as training sets have them."""
    files = []
    for i, image in enumerate(images(count)):
        file = folder / f"{i // 50:05d}" / f"{i:07d}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(image)
        files.append(file)
    return files


def write_index(path: Path, lines: int) -> None:
    offsets = np.cumsum(np.random.default_rng(0).integers(500, 1500, lines)) * 4
    with path.open("w") as out:
        for start in range(0, lines, 100_000):
            stretch = enumerate(offsets[start : start + 100_000].tolist(), start=start)
            out.writelines(f"{key}\t{offset}\n" for key, offset in stretch)


def measure(scratch: Path, count: int, lines: int, repeats: int) -> list[tuple[str, float, str]]:
    folder = scratch / "rec"
    folder.mkdir()
    start = time.perf_counter()
    write_records(folder / "train.rec", ((image, i // 50) for i, image in enumerate(images(count))))
    written = time.perf_counter() - start
    write_bin(scratch / "own.bin", images(count // 2 * 2), [True] * (count // 2))
    files = write_files(scratch / "files", count)
    container, verification = RecordFile(folder / "train.rec"), BinFile(scratch / "own.bin")

    def opened() -> None:
        record._open.cache_clear()
        rec(folder)

    def scanned() -> None:
        record._open.cache_clear()
        record._open((str(container.path), 0, 0), None)

    listed = seconds(opened, repeats)
    unlisted = seconds(scanned, repeats)
    names = rec(folder).files
    shuffled = np.random.default_rng(0).permutation(count).tolist()

    def rate(step: Callable[[], object]) -> float:
        step()
        return count / seconds(step, repeats)

    rows = [
        ("write a record file", count / written, "images/s"),
        ("read files, in order", rate(lambda: [file.read_bytes() for file in files]), "images/s"),
        ("read files, shuffled", rate(lambda: [files[i].read_bytes() for i in shuffled]), "images/s"),
        ("read records, in order", rate(lambda: [container.read(name) for name in names]), "images/s"),
        ("read records, shuffled", rate(lambda: [container.read(names[i]) for i in shuffled]), "images/s"),
        ("read a .bin, in order", rate(lambda: [verification.read(name) for name in verification.names]), "images/s"),
        ("open: index, all headers, labels", count / listed, "records/s"),
        ("open without an index: scan, all headers", count / unlisted, "records/s"),
    ]
    write_index(scratch / "long.idx", lines)
    index = seconds(lambda: record._indexed(scratch / "long.idx"), repeats)
    return [*rows, (f"read an index of {lines:,} lines", index, "s")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--index", type=int, default=5_000_000, help="lines of the index")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    print(f"Python {platform.python_version()}, numpy {np.__version__}; {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as scratch:
        rows = measure(Path(scratch), arguments.images, arguments.index, arguments.repeats)
    print(tabulate(rows, ["", "", ""], floatfmt=",.2f"))


if __name__ == "__main__":
    main()
