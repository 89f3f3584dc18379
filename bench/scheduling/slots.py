"""Slots: shares of devices that runs occupy. Found without touching CUDA in this process."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass

from bench.errors import DeviceError


@dataclass(frozen=True)
class Slot:
    """Where one run at a time goes: ``device`` for torch, and the mask its process sees as CUDA_VISIBLE_DEVICES."""

    index: int
    device: str
    mask: str | None


def visible_gpus() -> list[str]:
    """The GPUs this process may use, as CUDA_VISIBLE_DEVICES entries."""
    mask = os.environ.get("CUDA_VISIBLE_DEVICES")
    if mask is not None:
        return [part.strip() for part in mask.split(",") if part.strip() not in ("", "-1")]
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    query = [program, "--query-gpu=index", "--format=csv,noheader"]
    found = subprocess.run(query, capture_output=True, text=True, check=False)
    return found.stdout.split() if found.returncode == 0 else []


def make_slots(
    device: str, *, threads: int, share: float = 1.0, most: int | None = None,
    gpus: list[str] | None = None, cores: int | None = None,
) -> list[Slot]:  # fmt: skip
    """Slots of a machine: ⌊1/share⌋ per GPU, side by side on each, else one per ``threads`` cores.

    ``most`` caps them on GPUs and sets them on CPU. Raises DeviceError if CUDA is asked for and absent.
    """
    gpus = visible_gpus() if gpus is None else gpus
    if device == "cuda" and not gpus:
        raise DeviceError("executor.device is cuda, but no GPU is visible on this machine; use auto or cpu")
    if gpus and device != "cpu":
        per_gpu = max(1, int(1 / share + 1e-9))
        masks = [gpu for gpu in gpus for _ in range(per_gpu)][:most]
        return [Slot(i, "cuda", mask) for i, mask in enumerate(masks)]
    available = cores or (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    return [Slot(i, "cpu", "") for i in range(most or max(1, available // threads))]
