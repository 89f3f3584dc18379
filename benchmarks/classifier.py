"""Time and peak memory of a classifier's training step: all classes, a share of them (Partial FC), and in blocks.

    python benchmarks/classifier.py

Each case is a process of its own that makes the head and trains its centres by SGD with momentum and weight decay on
random embeddings: forward, backward, step. Peak memory is what the process (or the GPU) held at most beyond what it
held before the head was made. "Formula" is what must be held, as docs/classifier.md derives it. Times are the best of
the steps after the first: by the clock on a GPU, elsewhere processor time of all threads, which other work disturbs
less. Without a GPU the first comparison has 100,000 classes in place of 1,000,000. Needs 9 GB.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import os
import platform
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from tabulate import tabulate

from bench.catalog import MARGINS
from bench.losses.head import MarginHead
from bench.training.optimise import make_optimiser
from bench.training.rows import train_rows

GB = 1e9
SGD = {"name": "sgd", "lr": 0.1, "momentum": 0.9, "nesterov": False, "weight_decay": 5e-4}


@dataclass(frozen=True)
class Case:
    """One process: sizes, and how many steps it trains."""

    classes: int
    share: float = 1.0
    block: int | None = None
    batch: int = 256
    embedding: int = 512
    steps: int = 6

    @property
    def formula(self) -> float:
        """Bytes that must be held at once, float32."""
        sampled = max(math.ceil(self.share * self.classes), min(self.batch, self.classes))
        whole, rows = 4 * self.classes * self.embedding, 4 * sampled * self.embedding
        products = 4 * self.batch * min(self.block or sampled, sampled)
        if self.share == 1:  # weights, momentum, gradient; and the products, or weight decay's copy of the gradient
            return 3 * whole + max(products, whole)
        # weights, momentum; of the rows weights, gradient; and the products, or momentum and weight decay's copy
        return 2 * whole + 2 * rows + max(products, 2 * rows)


def processor() -> str:
    """The processor's model as the system names it."""
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text().splitlines() if facts.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def environment() -> str:
    """What the figures depend on; no host name."""
    where = f"{processor()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads"
    if torch.cuda.is_available():
        where += f"; {torch.cuda.get_device_name()}"
    return f"Python {platform.python_version()}, torch {torch.__version__}; {where}"


def held(device: torch.device) -> int:
    """Bytes that this process, or its part of the GPU, has held at most so far."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def best_step(case: Case, device: torch.device) -> float:
    """Makes a head and trains it; seconds of its best step after the first."""
    draw = torch.Generator().manual_seed(0)
    options, _ = MARGINS.get("arcface").resolve({})
    head = MarginHead(
        {"name": "arcface", **options}, None, case.classes, case.embedding, block=case.block, share=case.share,
        generator=draw, stream=draw,
    ).to(device)  # fmt: skip
    optimiser = make_optimiser({"optimiser": SGD}, head.trainable())
    train_rows(optimiser, head)
    clock, best = time.perf_counter if device.type == "cuda" else time.process_time, math.inf
    for step in range(case.steps):
        x = torch.randn(case.batch, case.embedding, generator=draw).to(device).requires_grad_()
        labels = torch.randint(case.classes, (case.batch,), generator=draw).to(device)
        if device.type == "cuda":
            torch.cuda.synchronize()
        begun = clock()
        loss = head(x, labels, step=step).loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        assert math.isfinite(loss.item())  # which also waits for the GPU
        if step:
            best = min(best, clock() - begun)
    return best


def train(case: Case) -> dict[str, float]:
    """Seconds of the best step and peak bytes of a case, measured in this process."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    best_step(dataclasses.replace(case, classes=500, steps=2), device)  # loads what torch loads at first use
    before = held(device)
    seconds = best_step(case, device)
    return {"seconds": seconds, "bytes": held(device) - before}


def measured(case: Case) -> dict[str, float]:
    """The same, in a process of its own."""
    words = [sys.executable, __file__, "--case", json.dumps(dataclasses.asdict(case))]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def table(cases: list[Case]) -> str:
    """Time and memory of each case, and how they compare with the first."""
    rows, first = [], None
    for case in cases:
        found = measured(case)
        first = first or found
        rows.append(
            [
                f"{case.classes:,}", case.batch, f"{case.share:g}", "all" if case.block is None else f"{case.block:,}",
                found["seconds"], f"{found['seconds'] / first['seconds']:.2f}",
                found["bytes"] / GB, f"{found['bytes'] / first['bytes']:.2f}", case.formula / GB,
            ]
        )  # fmt: skip
    headers = ["classes", "batch", "share", "block", "step, s", "to first", "peak, GB", "to first", "formula, GB"]
    return tabulate(rows, headers=headers, tablefmt="github", floatfmt=".2f", disable_numparse=[0, 2, 3, 5, 7])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", type=json.loads, help=argparse.SUPPRESS)
    given = parser.parse_args().case
    if given is not None:
        print(json.dumps(train(Case(**given))))
        return
    print(f"{environment()}; d 512\n")
    classes = 1_000_000 if torch.cuda.is_available() else 100_000
    print("Partial FC beside all classes\n")
    print(table([Case(classes, share) for share in (1.0, 0.3, 0.1)]))
    print("\nA million classes\n")
    print(table([Case(1_000_000, share, block, steps=4) for share, block in ((1.0, None), (1.0, 65_536), (0.1, None))]))
    print("\nLogits that outweigh the centres\n")
    print(table([Case(100_000, block=block, batch=2048, steps=3) for block in (None, 8192)]))


if __name__ == "__main__":
    main()
