"""Why a run failed, in one line and of which kind; and its record."""

from __future__ import annotations

import sys
import traceback
from contextlib import suppress
from typing import Any

from bench.errors import BenchError, NonFiniteLossError
from bench.scheduling.jobs import Event, Job
from bench.store import Store

GIB = 2**30


class ReplicaFailedError(BenchError):
    """A run failed in another of its processes, with this record."""

    def __init__(self, rank: int, failure: dict[str, Any]) -> None:
        self.failure = {**failure, "error": f"process {rank}: {failure['error']}"}
        super().__init__(self.failure["error"])


def failure_of(error: BaseException, config: dict[str, Any]) -> dict[str, Any]:
    """The record of a failure: ``error`` in one line, ``reason`` (``oom``, ``not finite``, ``mistake`` or ``bug``) and
    ``traceback``; for ``oom`` also ``peak_bytes`` of the process's memory and, on a GPU, ``peak_gpu_bytes``."""
    if isinstance(error, ReplicaFailedError):
        return error.failure
    trace = "".join(traceback.format_exception(error))
    if _out_of_memory(error):
        return {"reason": "oom", "traceback": trace, **_memory(error, config)}
    if isinstance(error, BenchError):
        reason = "not finite" if isinstance(error, NonFiniteLossError) else "mistake"
        return {"reason": reason, "error": str(error).strip(), "traceback": trace}
    return {"reason": "bug", "error": f"{type(error).__name__}: {error}".strip(": "), "traceback": trace}


def _out_of_memory(error: BaseException) -> bool:
    """Whether host or device ran out of memory; torch's CPU allocator has no exception of its own for it."""
    if isinstance(error, MemoryError):
        return True
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(error, torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def _memory(error: BaseException, config: dict[str, Any]) -> dict[str, Any]:
    import resource  # not there on every system, and not needed before

    torch = sys.modules.get("torch")
    found: dict[str, Any] = {"peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}
    said = f"peak {found['peak_bytes'] / GIB:.1f} GiB of memory"
    if torch is not None and torch.cuda.is_initialized():
        found["peak_gpu_bytes"] = torch.cuda.max_memory_allocated()
        said = f"peak {found['peak_gpu_bytes'] / GIB:.1f} GiB on the GPU, {said}"
    first = (str(error).strip() or type(error).__name__).splitlines()[0]
    recipe = config["recipe"]
    advice = f"try a smaller recipe.batch (now {recipe['batch']})"
    if (part := _half_or_less(recipe.get("micro_batch") or recipe["batch"])) is not None:
        changes = "it changes the run's id and, with BatchNorm, its gradient"
        advice = f"try recipe.micro_batch {part} ({changes}), a smaller recipe.batch (now {recipe['batch']})"
    if config["classifier"]["block"] is None:
        advice += " or, with many classes, classifier.block or classifier.share"
    return {**found, "error": f"out of memory: {said}; {advice} ({first})"}


def _half_or_less(images: int) -> int | None:
    """The largest number of images, 2 or more, into whose multiples so many can be parted."""
    return next((part for part in range(images // 2, 1, -1) if images % part == 0), None)


def record_failure(store: Store, run: str, failure: dict[str, Any]) -> dict[str, Any]:
    """Keeps the reason and traceback of a failed run; where even that cannot be written, the reason still returns."""
    told = {"error": failure["error"], "reason": failure["reason"]}
    try:
        store.write_failure(run, failure)
        with store.log_path(run).open("a", encoding="utf-8") as log:
            log.write(failure["traceback"] + "\n")
        store.append_event(run, {"kind": "failed", **told})
    except (BenchError, OSError):
        pass
    return told


def record_retry(store: Store, job: Job, why: str) -> Event:
    """Notes in the events of a job's runs that it is tried again because its process died; returns the event."""
    event = {"kind": "retry", "error": why}
    with suppress(BenchError):
        for run in dict.fromkeys(run["run"] for run in job.runs):
            store.append_event(run, event)
    return event


def manner_of_death(code: int | None) -> str:
    """An exit code in words."""
    if code is None or code >= 0:
        return f"exit code {code}"
    killer = ", often sent by the system when memory runs out" if code == -9 else ""
    return f"killed by signal {-code}{killer}"
