"""Images per second that the synthetic faces are rendered at, on one core.

python benchmarks/synthetic.py [--pixels 56] [--images 512] [--repeats 5]
"""

from __future__ import annotations

import argparse
import platform
import time
from pathlib import Path

import torch

from bench.data.synthetic.draws import stream
from bench.data.synthetic.identity import identity
from bench.data.synthetic.render import Shot, render
from bench.data.synthetic.views import training


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pixels", type=int, default=56)
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=5)
    asked = parser.parse_args()
    torch.set_num_threads(1)

    shots = [
        Shot(identity(0, "bench", i // 8), training(stream(0, "bench", i)), (0, "bench", i))
        for i in range(asked.images)
    ]
    render(shots[:32], asked.pixels)
    seconds = []
    for _ in range(asked.repeats):
        start = time.perf_counter()
        render(shots, asked.pixels)
        seconds.append(time.perf_counter() - start)
    rates = sorted(asked.images / s for s in seconds)
    print(
        f"rendering at {asked.pixels} px: median {rates[len(rates) // 2]:.0f} images/s, best {rates[-1]:.0f} "
        f"({asked.repeats} × {asked.images} images, 1 thread, torch {torch.__version__}, "
        f"{processor()}, Python {platform.python_version()})"
    )


def processor() -> str:
    """The processor's model name where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
