"""Seconds from the scores of a 6,000-pair protocol to its metrics, beside a loop over a grid of thresholds.

    python benchmarks/evaluation.py
    python benchmarks/evaluation.py --large 20   # also 15.7 million pairs as IJB-C's, with 20 replicates

The loop tries 400 thresholds on squared distance for the accuracy of each of the 10 folds and 4,000 for TAR@FAR, as the
field does. Every figure is the median of the repeats.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from tabulate import tabulate

from bench.evaluation import bootstrap_intervals, bootstrap_replicates, verify
from bench.evaluation.geometry import measure

FOLDS, PER_KIND, PEOPLE = 10, 300, 2000
FARS = ["1e-2", "1e-3"]
LARGE_GENUINE, LARGE_PAIRS, LARGE_PEOPLE = 19_557, 15_658_489, 3_531


def environment() -> str:
    """What the figures depend on; no host name."""
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text().splitlines() if facts.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    processor = models[0] if models else platform.processor() or platform.machine()
    return f"Python {platform.python_version()}, numpy {np.__version__}; {processor}, {os.cpu_count()} cores"


def protocol() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Cosines (P,), same (P,), folds (P,) and people (P, 2) in LFW's layout, at about 97 % accuracy."""
    draw = np.random.default_rng(0)
    same = np.tile(np.repeat([True, False], PER_KIND), FOLDS)
    folds = np.repeat(np.arange(FOLDS), 2 * PER_KIND)
    first = draw.integers(PEOPLE, size=len(same))
    other = (first + draw.integers(1, PEOPLE, size=len(same))) % PEOPLE
    scores = np.clip(draw.normal(np.where(same, 0.55, 0.05), 0.13), -1, 1)
    return scores, same, folds, np.stack([first, np.where(same, first, other)], axis=1)


def grid_accuracy(distance: np.ndarray, same: np.ndarray, folds: np.ndarray) -> float:
    thresholds = np.arange(0, 4, 0.01)
    found = []
    for fold in np.unique(folds):
        train, test = folds != fold, folds == fold
        right = [np.mean((distance[train] < t) == same[train]) for t in thresholds]
        found.append(np.mean((distance[test] < thresholds[int(np.argmax(right))]) == same[test]))
    return float(np.mean(found))


def grid_tar(distance: np.ndarray, same: np.ndarray, folds: np.ndarray, far: float) -> float:
    thresholds = np.arange(0, 4, 0.001)
    found = []
    for fold in np.unique(folds):
        train, test = folds != fold, folds == fold
        fars = np.array([np.mean(distance[train & ~same] < t) for t in thresholds])
        found.append(np.mean(distance[test & same] < thresholds[int(np.argmin(np.abs(fars - far)))]))
    return float(np.mean(found))


def grid(scores: np.ndarray, same: np.ndarray, folds: np.ndarray) -> tuple[float, float]:
    distance = 2 - 2 * scores
    return grid_accuracy(distance, same, folds), grid_tar(distance, same, folds, 1e-3)


def seconds(work: Callable[[], object], repeats: int) -> float:
    taken = []
    for _ in range(repeats):
        begun = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken)


def large(replicates: int) -> None:
    """Time and memory on as many pairs as IJB-C has, without folds."""
    draw = np.random.default_rng(0)
    same = np.zeros(LARGE_PAIRS, bool)
    same[draw.choice(LARGE_PAIRS, LARGE_GENUINE, replace=False)] = True
    people = draw.integers(LARGE_PEOPLE, size=(LARGE_PAIRS, 2), dtype=np.int32)
    alike = people[:, 0] == people[:, 1]
    people[alike, 1] = (people[alike, 0] + 1) % LARGE_PEOPLE
    people[same, 1] = people[same, 0]
    scores = draw.normal(0.05, 0.13, LARGE_PAIRS).astype(np.float32)
    scores[same] += np.float32(0.5)
    fars = [f"1e-{power}" for power in range(1, 7)]
    held = scores.nbytes + same.nbytes + people.nbytes

    def report(what: str, taken: float) -> None:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - held
        print(f"{what}: {taken:.1f} s; peak of the process so far, without these arrays, {peak / 1e9:.2f} GB")

    print(f"{LARGE_PAIRS:,} pairs, {LARGE_GENUINE:,} genuine, {LARGE_PEOPLE:,} people, no folds")
    report("all metrics", seconds(lambda: verify(scores, same, None, fars=fars), 1))
    some = [
        seconds(lambda n=n: bootstrap_replicates(scores, same, people, None, fars=fars, replicates=n, seed=0), 1)
        for n in (1, replicates + 1)
    ]
    report(f"bootstrap of all metrics, preparation and {replicates + 1} replicates", some[1])
    each = (some[1] - some[0]) / replicates
    print(f"a replicate: {each:.3f} s, {1e9 * each / LARGE_PAIRS:.1f} ns a pair")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--large", type=int, metavar="REPLICATES", help="also as many pairs as IJB-C has")
    replicates = parser.parse_args().large
    scores, same, folds, people = protocol()
    draw = np.random.default_rng(1)
    labels = np.repeat(np.arange(500), 14)
    embeddings = draw.normal(size=(500, 128))[labels] + draw.normal(size=(len(labels), 128))
    exact = verify(scores, same, folds, fars=FARS)
    accuracy, tar = grid(scores, same, folds)
    ours = seconds(lambda: verify(scores, same, folds, fars=FARS), 20)
    loop = seconds(lambda: grid(scores, same, folds), 3)
    resampled = seconds(lambda: bootstrap_intervals(scores, same, people, folds, fars=FARS, seed=0), 3)
    rows = [
        ["all metrics, exact", f"{ours:.4f}", exact.accuracy.mean, exact.metrics()["tar_at_far_1e-3"]],
        ["accuracy and TAR@FAR, loop over a grid", f"{loop:.4f}", accuracy, tar],
        ["intervals of all metrics, 1,000 replicates", f"{resampled:.4f}", None, None],
        ["geometry, 500 people × 14 images × 128 dimensions",
         f"{seconds(lambda: measure(embeddings, labels), 3):.4f}", None, None],
    ]  # fmt: skip
    print(environment())
    print(tabulate(rows, headers=["6,000 pairs, 10 folds", "seconds", "accuracy", "TAR@FAR=1e-3"], floatfmt=".4f"))
    print(f"the loop takes {loop / ours:.0f} times as long as all exact metrics")
    print(f"1,000 replicates take {resampled / ours:.0f} times as long as one")
    if replicates:
        large(replicates)


if __name__ == "__main__":
    main()
