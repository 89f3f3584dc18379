"""Slots: shares of devices that runs occupy. Found without touching CUDA in this process."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from bench.errors import DeviceError


@dataclass(frozen=True)
class Slot:
    """Where one run at a time goes: ``device`` for torch, and the mask its process sees as CUDA_VISIBLE_DEVICES, with a
    GPU for each process of the run.

    Slots of one mask share a device: its ``cores``, one for each thread of their runs, and its ``memory`` in bytes,
    which the runs' measured peaks must fit. None: nobody counts.
    """

    index: int
    device: str
    mask: str | None
    cores: int | None = None
    memory: int | None = None


def visible_gpus() -> list[str]:
    """The GPUs this process may use, as CUDA_VISIBLE_DEVICES entries."""
    mask = os.environ.get("CUDA_VISIBLE_DEVICES")
    if mask is not None:
        return [part.strip() for part in mask.split(",") if part.strip() not in ("", "-1")]
    return _nvidia_smi("index")


def gpu_memory(gpus: Sequence[str]) -> list[int]:
    """Bytes of each of these GPUs, given as CUDA_VISIBLE_DEVICES entries.

    A number there is CUDA's own count, which may differ from nvidia-smi's: for one the smallest GPU counts.
    Raises DeviceError where nvidia-smi does not tell.
    """
    rows = [row.split(", ") for row in _nvidia_smi("uuid,memory.total")]
    known = {uuid: int(mib) * 2**20 for uuid, mib in (row for row in rows if len(row) == 2 and row[1].isdecimal())}
    found = []
    for gpu in gpus:
        matching = [size for uuid, size in known.items() if gpu.isdecimal() or uuid.startswith(gpu)]
        if not matching:
            raise DeviceError(
                f"executor.share is auto, but nvidia-smi does not tell the memory of GPU {gpu}; give a number"
            )
        found.append(min(matching))
    return found


def _nvidia_smi(query: str) -> list[str]:
    """The lines that nvidia-smi answers, one a GPU; none where it is not there or fails."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    command = [program, f"--query-gpu={query}", "--format=csv,noheader,nounits"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return found.stdout.splitlines() if found.returncode == 0 else []


def too_few(gpus: list[str], processes: int) -> str:
    return f"a run of {processes} processes needs a GPU for each; visible here: {len(gpus)}"


def make_slots(
    device: str, *, share: float | str = 1.0, most: int | None = None, processes: int = 1,
    gpus: list[str] | None = None, cores: int | None = None,
) -> list[Slot]:  # fmt: skip
    """Slots of a machine, one GPU after the other in turn: ⌊1/share⌋ per GPU, or with share "auto" one per core, of
    which its memory admits some; without GPUs one per core, of which the runs' threads admit some. For runs of several
    ``processes`` as many GPUs count as one.

    ``most`` caps them on GPUs. On CPU it sets them, and cores are not counted. Raises DeviceError if CUDA is asked for
    and absent, and if there are fewer GPUs than a run has processes.
    """
    gpus = visible_gpus() if gpus is None else gpus
    cores = cores or (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    if device == "cuda" and not gpus:
        raise DeviceError("executor.device is cuda, but no GPU is visible on this machine; use auto or cpu")
    if not gpus or device == "cpu":
        return [Slot(i, "cpu", "", cores=None if most else cores) for i in range(most or cores)]
    if len(gpus) < processes:
        raise DeviceError(too_few(gpus, processes))
    groups = [gpus[i : i + processes] for i in range(0, len(gpus) - processes + 1, processes)]
    memory: Sequence[int | None]
    if isinstance(share, str):
        each, memory = -(-(most or cores) // len(groups)), [min(gpu_memory(group)) for group in groups]
    else:
        each, memory = max(1, int(1 / share + 1e-9)), [None] * len(groups)
    shared = [pair for _ in range(each) for pair in zip(groups, memory, strict=True)][:most]
    return [Slot(i, "cuda", ",".join(group), memory=size) for i, (group, size) in enumerate(shared)]
