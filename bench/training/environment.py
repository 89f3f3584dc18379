"""What decides the bits beside the configuration: device, libraries, threads. Recorded with every run."""

from __future__ import annotations

import functools
import gc
import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from bench import __version__
from bench.errors import DeviceError


def pick_device(wanted: str) -> torch.device:
    """The device of ``auto``, ``cpu`` or ``cuda``. Raises DeviceError where there is no such device."""
    available = bool(torch.cuda.is_available())  # type: ignore[no-untyped-call,unused-ignore]
    if wanted == "cuda" and not available:
        raise DeviceError("cuda is asked for, but this machine has no CUDA device that torch can use")
    return torch.device("cuda" if wanted != "cpu" and available else "cpu")


def make_deterministic(*, threads: int, deterministic: bool) -> None:
    """Sets the process-wide switches that a run's bits depend on. A worker calls it before every run.

    And before anything of it uses CUDA, which reads its workspace from the environment once. What stands there is kept.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(deterministic)
    torch.backends.cudnn.benchmark = not deterministic
    # Torch's defaults; said because whoever used the process before may have changed them.
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.conv.fp32_precision = "tf32"  # type: ignore[attr-defined]
    # The fill of uninitialised memory costs time and changes no result of code that never reads it.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def watch_memory(device: torch.device) -> None:
    """From here on ``gpu_peak`` counts anew."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def gpu_peak(device: torch.device) -> dict[str, int]:
    """``peak_gpu_bytes``: the most that this process reserved of a GPU for tensors; nothing on another device."""
    return {"peak_gpu_bytes": torch.cuda.max_memory_reserved(device)} if device.type == "cuda" else {}


def release_memory() -> None:
    """Gives back what this process keeps of a GPU for later, so that the next run, or others beside it, can have it."""
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call,unused-ignore]
        gc.collect()
        torch.cuda.empty_cache()


def execution_class(device: torch.device, processes: int = 1) -> dict[str, Any]:
    """Runs with equal configuration and equal execution class have equal bits."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    found: dict[str, Any] = {
        "device": name,
        "torch": torch.__version__,
        "blas": "mkl" if torch.backends.mkl.is_available() else "other",  # type: ignore[no-untyped-call]
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "fused": 1,
        "world_size": processes,
    }
    if device.type == "cuda":
        found["cuda"] = torch.version.cuda
        found["matmul_precision"] = torch.get_float32_matmul_precision()
        found["conv_precision"] = torch.backends.cudnn.conv.fp32_precision  # type: ignore[attr-defined]
        found["cudnn"] = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]
        found |= {name.lower(): os.environ.get(name) for name in ("CUBLAS_WORKSPACE_CONFIG", "NVIDIA_TF32_OVERRIDE")}
    return found


@functools.cache
def environment(*used: str) -> dict[str, Any]:
    """Versions, processor and commit: facts, without host name or path. ``used``: packages to name beside the usual."""
    packages = ("torch", "timm", "numpy", "scipy", "pandas", "pillow", "safetensors", *used)
    return {
        "bench": __version__,
        "python": platform.python_version(),
        "system": platform.system(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        **{name: version(name) for name in packages},
        **_commit(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _commit() -> dict[str, Any]:
    """Commit of the harness and whether its files were changed; None outside a checkout."""
    folder = Path(__file__).parent

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=True).stdout.strip()

    try:
        return {"commit": git("rev-parse", "--short=12", "HEAD"), "dirty": bool(git("status", "--porcelain", "-uno"))}
    except (OSError, subprocess.CalledProcessError):
        return {"commit": None, "dirty": None}
