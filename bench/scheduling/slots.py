"""Slots: shares of devices that runs occupy. Found without touching CUDA in this process."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass

from bench.errors import DeviceError


@dataclass(frozen=True)
class Slot:
    """Where one run at a time goes: ``device`` for torch, and the mask its process sees as CUDA_VISIBLE_DEVICES, with a
    GPU for each process of the run."""

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


def too_few(gpus: list[str], processes: int) -> str:
    return f"a run of {processes} processes needs a GPU for each; visible here: {len(gpus)}"


def make_slots(
    device: str, *, threads: int, share: float = 1.0, most: int | None = None,
    processes: int = 1, gpus: list[str] | None = None, cores: int | None = None,
) -> list[Slot]:  # fmt: skip
    """Slots of a machine: ⌊1/share⌋ per GPU, side by side on each, else one per ``threads`` cores; for runs of several
    ``processes`` as many GPUs, or times as many cores, make a slot.

    ``most`` caps them on GPUs and sets them on CPU. Raises DeviceError if CUDA is asked for and absent, and if there
    are fewer GPUs than a run has processes.
    """
    gpus = visible_gpus() if gpus is None else gpus
    if device == "cuda" and not gpus:
        raise DeviceError("executor.device is cuda, but no GPU is visible on this machine; use auto or cpu")
    if gpus and device != "cpu":
        per_gpu = max(1, int(1 / share + 1e-9))
        if len(gpus) < processes:
            raise DeviceError(too_few(gpus, processes))
        groups = [gpus[i : i + processes] for i in range(0, len(gpus) - processes + 1, processes)]
        masks = [",".join(group) for group in groups for _ in range(per_gpu)][:most]
        return [Slot(i, "cuda", mask) for i, mask in enumerate(masks)]
    available = cores or (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    return [Slot(i, "cpu", "") for i in range(most or max(1, available // (threads * processes)))]
