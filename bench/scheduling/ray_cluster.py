"""Being connected to a Ray cluster, and what its nodes have room for."""

from __future__ import annotations

import logging
import math
import os
import re
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.errors import BenchError, DeviceError
from bench.scheduling.jobs import Setting

CONNECT_SECONDS = 5.0
GIB = 2**30
_TOKEN = (
    "where the cluster asks for a token: set RAY_AUTH_MODE=token, and put the token of its head node into "
    "RAY_AUTH_TOKEN or ~/.ray/auth_token"
)


@contextmanager
def connected(address: str | None) -> Iterator[None]:
    """Connects to a running cluster, or (None) starts one of this machine that ends with the block.

    A program that is connected already stays so. Raises BenchError, in one line, where Ray is not installed or the
    cluster cannot be reached.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError:
        raise BenchError("executor ray needs the package ray: pip install -e .[ray]") from None
    if ray.is_initialized():
        yield
        return
    with _sigterm_of_ours() as take_back:
        try:
            _connect(address)
            take_back()
            yield
        finally:
            ray.shutdown()


def _connect(address: str | None) -> None:
    import ray

    if address is not None:
        _check_reachable(address)
    here: dict[str, Any] = {"address": address}
    if address is None:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        here = {"address": "local", "num_cpus": cores, "include_dashboard": False}
    try:
        ray.init(**here, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        what = f"the Ray cluster at {address!r} cannot be reached" if address else "no local Ray cluster can be started"
        raise BenchError(f"executor.address: {what}: {one_line(error)}; {_TOKEN}") from None


def _check_reachable(address: str) -> None:
    """Ray itself tries for minutes to reach an address where nobody listens, such as one that a dead cluster left."""
    source = ""
    if address == "auto":
        left = Path(os.environ.get("RAY_TMPDIR", "/tmp")) / "ray" / "ray_current_cluster"
        if found := os.environ.get("RAY_ADDRESS"):
            address, source = found, " ($RAY_ADDRESS)"
        elif left.is_file():
            address, source = left.read_text(encoding="utf-8").strip(), f" ({left})"
        else:
            return
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or "/" in address:
        raise BenchError(f"executor.address: must be HOST:PORT, auto or null, found {address!r}{source}")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BenchError(
            f"executor.address: nobody answers at {address}{source}: {reason}; is a Ray head node there?"
        ) from None


@contextmanager
def _sigterm_of_ours() -> Iterator[Callable[[], None]]:
    """Yields a function that takes SIGTERM back from Ray, whose handler ends every process before it can checkpoint.

    It then does what the program wants, or, where the program never said, the same as Ctrl-C.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    before = signal.getsignal(signal.SIGTERM)
    wanted = signal.default_int_handler if before is signal.SIG_DFL else before

    def take_back() -> None:
        signal.signal(signal.SIGTERM, wanted)

    try:
        yield take_back
    finally:
        signal.signal(signal.SIGTERM, before)


@dataclass(frozen=True)
class Request:
    """What a worker asks Ray for: CPUs, a share of a GPU (0: none), bytes of memory (None: does not say)."""

    cpus: int
    share: float
    memory: int | None

    @property
    def options(self) -> dict[str, Any]:
        """As an actor's options. It is never restarted by Ray: who tries again, and how often, is counted here."""
        found: dict[str, Any] = {"num_cpus": self.cpus, "num_gpus": self.share, "max_restarts": 0}
        return found if self.memory is None else {**found, "memory": self.memory}

    def fits(self, resources: Mapping[str, float]) -> int:
        """How many such workers a node with these resources has room for."""
        fit = math.floor(resources.get("CPU", 0.0) / self.cpus + 1e-9)
        if self.share:
            per_gpu = math.floor(1 / self.share + 1e-9)
            fit = min(fit, math.floor(resources.get("GPU", 0.0)) * per_gpu)
        if self.memory is not None:
            fit = min(fit, math.floor(resources.get("memory", 0.0) / self.memory + 1e-9))
        return fit

    def __str__(self) -> str:
        parts = [f"{self.cpus} CPU{'s' if self.cpus > 1 else ''}"]
        if self.share:
            parts.append(f"{self.share:g} of a GPU")
        if self.memory is not None:
            parts.append(f"{self.memory / GIB:g} GiB of memory")
        return " and ".join(parts)


def nodes() -> list[Mapping[str, float]]:
    """The resources of every node that is alive."""
    import ray

    found = ray.nodes()  # type: ignore[no-untyped-call,unused-ignore]
    return [node["Resources"] for node in found if node["Alive"]]


def make_request(setting: Setting, share: float, memory_gib: float | None) -> tuple[Request, str]:
    """What a worker asks for on this cluster, and the device its runs train on.

    ``auto`` is a GPU where any node has one; each process of a run wants a whole one. Raises DeviceError for ``cuda``
    where none has, or where no node could ever do it: Ray would wait for ever.
    """
    device, processes = setting.device, setting.processes
    if share < 1 and processes > 1:
        raise DeviceError(
            f"executor.share {share:g} with {processes} processes: each process of a run wants a whole GPU"
        )
    found = nodes()
    has_gpus = any(node.get("GPU", 0.0) >= 1 for node in found)
    if device == "cuda" and not has_gpus:
        raise DeviceError("executor.device is cuda, but no node of the Ray cluster has a GPU; use auto or cpu")
    use_gpu = has_gpus and device != "cpu"
    memory = None if memory_gib is None else int(memory_gib * GIB)
    request = Request(setting.threads * processes, share * processes if use_gpu else 0.0, memory)
    if not any(request.fits(node) for node in found):
        raise DeviceError(
            f"a run asks for {request}, but no node of the Ray cluster has that: {_in_words(request, found)}"
        )
    return request, "cuda" if use_gpu else "cpu"


def _in_words(request: Request, found: list[Mapping[str, float]]) -> str:
    """What the nodes have of what is asked for, equal ones together."""
    units = {"CPU": (1, "CPUs"), "GPU": (1, "GPUs"), "memory": (GIB, "GiB of memory")}
    asked = ["CPU", *["GPU"] * bool(request.share), *["memory"] * (request.memory is not None)]
    each = [", ".join(f"{node.get(key, 0) / units[key][0]:.3g} {units[key][1]}" for key in asked) for node in found]
    return "; ".join(f"{each.count(text)} with {text}" for text in dict.fromkeys(each)) or "it has no node"


def one_line(error: BaseException) -> str:
    """The line of an error of Ray's that says why, without the table of ids around it."""
    if type(error).__name__ == "ActorUnavailableError":
        return "its node does not answer"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    if re.match(r"[\w.]+(Error|Exception)\b", lines[-1]):  # the end of a traceback
        return lines[-1]
    because = [line.partition(". ")[0] for line in lines if "because" in line]
    return (because or lines)[0]
