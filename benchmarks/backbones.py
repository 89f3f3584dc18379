"""Images a second that backbones train and embed, alone: forward, backward and SGD on batches that are already there.

    python benchmarks/backbones.py small_cnn small_resnet timm/test_resnet --pixels 40

Every figure is the median over batches; on CPU of one thread unless ``--threads`` says otherwise.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import timm
import torch
from tabulate import tabulate

from bench.backbones.catalog import build, describe

DEFAULT = ("small_cnn", "small_resnet", "mobilefacenet", "iresnet18", "timm/test_resnet", "timm/lcnet_050")


def processor() -> str:
    """The processor's model as the system names it."""
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text().splitlines() if facts.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def environment(device: torch.device) -> str:
    """What the figures depend on; no host name."""
    versions = f"Python {platform.python_version()}, torch {torch.__version__}, timm {timm.__version__}"
    where = f"{processor()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads"
    return f"{versions}; {where}" + (f"; {torch.cuda.get_device_name(device)}" if device.type == "cuda" else "")


def median_seconds(step: Callable[[], object], *, seconds: float, device: torch.device) -> float:
    """Median time of ``step`` over at least three repeats and ``seconds``, after one that warms up."""
    step()
    times: list[float] = []
    while len(times) < 3 or sum(times) < seconds:
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        start = time.perf_counter()
        step()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def rates(name: str, arguments: argparse.Namespace) -> tuple[float, float]:
    """Images a second of training and of embedding."""
    device = torch.device(arguments.device)
    layout = torch.channels_last if arguments.channels_last else torch.contiguous_format
    generator = torch.Generator().manual_seed(0)
    model = build({"name": name}, pixels=arguments.pixels, generator=generator)
    model = model.to(device, memory_format=layout)
    optimiser = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9, weight_decay=5e-4)
    shape = (arguments.batch, 3, arguments.pixels, arguments.pixels)
    images = (torch.rand(shape, generator=generator) * 2 - 1).to(device, memory_format=layout)
    many = images.repeat(4, 1, 1, 1).contiguous(memory_format=layout)

    def train() -> None:
        optimiser.zero_grad()
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            embeddings = model(images)
        embeddings.backward(torch.ones_like(embeddings) / arguments.batch)
        optimiser.step()

    def embed() -> None:
        with (
            torch.inference_mode(),
            torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"),
        ):
            model(many)

    training = arguments.batch / median_seconds(train, seconds=arguments.seconds, device=device)
    model.eval()
    embedding = len(many) / median_seconds(embed, seconds=arguments.seconds, device=device)
    return training, embedding


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=DEFAULT)
    parser.add_argument("--pixels", type=int, default=40)
    parser.add_argument("--batch", type=int, default=64, help="of training; four times as many are embedded")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--seconds", type=float, default=3.0, help="for each figure, at least")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    layout = "channels last" if arguments.channels_last else "contiguous"
    print(environment(torch.device(arguments.device)))
    print(f"{arguments.pixels} pixels, batch {arguments.batch}, {layout}")
    rows = []
    for name in arguments.names:
        facts = describe({"name": name}, pixels=arguments.pixels)
        training, embedding = rates(name, arguments)
        rows.append((name, facts.parameters / 1e6, facts.macs / 1e6, training, embedding))
    headers = ("backbone", "parameters/M", "MACs/M", "training images/s", "embedding images/s")
    print(tabulate(rows, headers, tablefmt="github", floatfmt=("", ".2f", ".1f", ".0f", ".0f")))


if __name__ == "__main__":
    main()
