"""Forward and backward of every registered loss beside plain cosine cross-entropy: time and memory.

    python benchmarks/losses.py
    python benchmarks/losses.py arcface adaface --classes 100000
    python benchmarks/losses.py --device cuda

The first case is what one would write by hand: normalise, multiply, ``cross_entropy``, left to autograd. Every round
runs each case once, so that a busy machine slows them alike; a ratio is the median over rounds of case / plain in the
same round. Memory is the most that a step has allocated beyond embeddings, centres and their gradients, in units of one
(B, C) float32 matrix; one (C, d) matrix, such as the unit centres, is d/B of them.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from tabulate import tabulate
from torch.nn import functional as F

from bench.catalog import MARGINS, TERMS
from bench.catalog.rules import gate_problem
from bench.losses.head import MarginHead

PLAIN = "plain cosine cross-entropy"
ENHANCED = " + enhancement"
Sizes = tuple[int, int, int]
Step = Callable[[int], None]


def processor() -> str:
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text().splitlines() if facts.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def cases(wanted: list[str]) -> dict[str, dict[str, Any] | None]:
    """Name → arguments of the head; None for the plain one. Margins with and without enhancement, terms on NormFace."""
    found: dict[str, dict[str, Any] | None] = {PLAIN: None}
    for spec in MARGINS:
        margin = {"name": spec.name, **spec.defaults}
        gate = "uniform" if gate_problem(spec, "posterior") else "posterior"
        term = {"strength": 0.1, "gate": {"name": gate}, "profile": {"name": "matched"}}
        found[spec.name] = {"margin": margin, "enhancement": None}
        found[spec.name + ENHANCED] = {"margin": margin, "enhancement": term}
    plain = {"name": "normface", **MARGINS.get("normface").defaults}
    for spec in TERMS:
        for sample in (None, 256) if "sample" in spec.defaults else (None,):
            block = {"name": spec.name, "weight": spec.traits["weight"], **spec.defaults}
            block |= {} if sample is None else {"sample": sample}
            name = f"normface + {spec.name}" + ("" if sample is None else f"(sample={sample})")
            found[name] = {"margin": plain, "enhancement": None, "terms": [block]}
    return {name: case for name, case in found.items() if not wanted or case is None or any(w in name for w in wanted)}


def make_step(case: dict[str, Any] | None, sizes: Sizes, device: str) -> Step:
    """One forward and backward of a case, told its number."""
    batch, classes, embedding = sizes
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(batch, embedding, generator=draw).mul_(20 / embedding**0.5).to(device).requires_grad_()
    labels = torch.randint(0, classes, (batch,), generator=draw).to(device)
    if case is None:
        centres = torch.randn(classes, embedding, generator=draw).to(device).requires_grad_()

        def plain(number: int) -> None:
            x.grad = centres.grad = None
            F.cross_entropy(64 * F.normalize(x) @ F.normalize(centres).T, labels).backward()

        return plain
    head = MarginHead(
        case["margin"], case["enhancement"], classes, embedding, terms=case.get("terms", ()),
        generator=draw, stream=torch.Generator().manual_seed(1),
    ).to(device)  # fmt: skip

    def step(number: int) -> None:
        x.grad = None
        head.zero_grad(set_to_none=True)
        head(x, labels, step=number, max_repeat=4).loss.backward()

    return step


def seconds(step: Step, number: int, device: str) -> float:
    if device == "cuda":
        torch.cuda.synchronize()
    begun = time.perf_counter()
    step(number)
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - begun


def peak_bytes(case: dict[str, Any] | None, sizes: Sizes, device: str) -> int:
    """The most that a step holds at a time beyond what stood there before, the last step's gradients among it."""
    step = make_step(case, sizes, device)
    step(0)
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        step(1)
        return torch.cuda.max_memory_allocated() - before
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profiler:
        step(1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        profiler.export_chrome_trace(str(path))
        events = json.loads(path.read_text())["traceEvents"]
    changes = sorted((e["ts"], e["args"]["Bytes"]) for e in events if e.get("name") == "[memory]")
    return max(itertools.accumulate(change for _, change in changes))


def subcentres(case: dict[str, Any] | None) -> int:
    if case is None:
        return 1
    option = MARGINS.get(case["margin"]["name"]).traits.get("subcentres")
    return int(case["margin"][option]) if option else 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="only cases whose names hold one of these")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--classes", type=int, default=10_000)
    parser.add_argument("--embedding", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    sizes = (given.batch, given.classes, given.embedding)
    chosen = cases(given.names)
    steps = {name: make_step(case, sizes, given.device) for name, case in chosen.items()}
    times: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(given.rounds + 1):
        for name, step in steps.items():
            spent = seconds(step, number, given.device)
            if number:  # the first round warms up
                times[name].append(spent)
    del steps
    matrix = 4 * given.batch * given.classes
    rows = []
    for name, case in chosen.items():
        most = peak_bytes(case, sizes, given.device)
        ratio = statistics.median(a / b for a, b in zip(times[name], times[PLAIN], strict=True))
        rows.append((name, 1e3 * statistics.median(times[name]), ratio, subcentres(case), most / matrix))
    where = torch.cuda.get_device_name() if given.device == "cuda" else f"{processor()}, {given.threads} thread(s)"
    print(f"Python {platform.python_version()}, torch {torch.__version__}; {where}, {os.cpu_count()} cores")
    print(f"B {given.batch}, C {given.classes:,}, d {given.embedding}; median of {given.rounds} rounds")
    headers = ("loss", "ms", "× plain", "centres a class", "peak, (B, C) matrices")
    print(tabulate(rows, headers, tablefmt="github", floatfmt=("", ".1f", ".2f", "d", ".1f")))


if __name__ == "__main__":
    main()
