"""All pairs of 100,000 embeddings: seconds, comparisons a second and peak memory, beside the bare matrix products.

    python benchmarks/all_pairs.py
    python benchmarks/all_pairs.py --templates 20000 --device cuda

The floor is NumPy's product of every tile on and above the diagonal on the CPU, with nothing done to it, in float32
and in float64. Each figure is of one pass. The peak is the process's before any floor is made, libraries and input
included.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import torch
from tabulate import tabulate

from bench.evaluation.all_pairs import TILE, AllPairs, all_pairs

FARS = ["1e-3", "1e-4", "1e-5", "1e-6"]


def environment(device: str) -> str:
    """What the figures depend on; no host name."""
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text().splitlines() if facts.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    processor = models[0] if models else platform.processor() or platform.machine()
    where = torch.cuda.get_device_name(device) if device.startswith("cuda") else f"{torch.get_num_threads()} threads"
    versions = f"Python {platform.python_version()}, numpy {np.__version__}, torch {torch.__version__}"
    return f"{versions}; {processor}, {os.cpu_count()} cores; {device}: {where}"


def faces(templates: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings (T, d) float32 and identities (T,): about ten templates a person, in no order."""
    draw = np.random.default_rng(0)
    identity = draw.integers(max(1, templates // 10), size=templates)
    centres = draw.standard_normal((max(1, templates // 10), size), np.float32)
    embeddings = draw.standard_normal((templates, size), np.float32)
    for start in range(0, templates, TILE):
        embeddings[start : start + TILE] += 0.5 * centres[identity[start : start + TILE]]
    return embeddings, identity


def floor(rows: np.ndarray) -> None:
    for row in range(0, len(rows), TILE):
        for column in range(row, len(rows), TILE):
            _ = rows[row : row + TILE] @ rows[column : column + TILE].T


def seconds(work: Callable[[], object]) -> tuple[float, object]:
    begun = time.perf_counter()
    found = work()
    return time.perf_counter() - begun, found


def peak_gb() -> float:
    """The largest resident memory of this process so far, in 10⁹ bytes."""
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest * (1 if sys.platform == "darwin" else 1024) / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--templates", type=int, default=100_000)
    parser.add_argument("--size", type=int, default=512, help="d of the embeddings (%(default)s)")
    parser.add_argument("--far", nargs="+", default=FARS, help="rates, all in one pass (%(default)s)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (%(default)s)")
    parser.add_argument("--no-floor", action="store_true", help="leave out the bare products")
    asked = parser.parse_args()
    embeddings, identity = faces(asked.templates, asked.size)
    before = psutil.Process().memory_info().rss / 1e9
    taken, found = seconds(lambda: all_pairs(embeddings, identity, fars=asked.far, device=asked.device))
    assert isinstance(found, AllPairs)
    peak = peak_gb()
    rows = [[f"all pairs on {asked.device}, {len(asked.far)} rates", taken]]
    if not asked.no_floor:
        rows.append(["bare products on cpu, float32", seconds(lambda: floor(embeddings))[0]])
        rows.append(["bare products on cpu, float64", seconds(lambda: floor(embeddings.astype(np.float64)))[0]])
    comparisons = found.genuine + found.impostor
    print(environment(asked.device))
    print(f"{asked.templates:,} × {asked.size}: {comparisons:,} comparisons, of which {found.genuine:,} genuine")
    print(tabulate([[name, f"{t:.1f}", f"{comparisons / t / 1e6:.1f}"] for name, t in rows],
                   headers=["", "seconds", "million comparisons a second"], disable_numparse=True,
                   colalign=("left", "right", "right")))  # fmt: skip
    print(f"peak memory {peak:.2f} GB, of which {before:.2f} GB were there before (libraries and input)")
    print(", ".join(f"{name} {tar}" for name, tar in found.metrics().items()))


if __name__ == "__main__":
    main()
