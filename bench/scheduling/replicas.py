"""The other processes of a run that several train: started by the first, which works itself, and gone when it leaves.

They are children of the process that holds the slot. What can end badly, and what then happens:
a replica raises: it sends the record of its failure and leaves, which breaks the group, and the first fails with it;
a replica dies: the group breaks likewise, and the first leaves with ReplicaDiedError, for the job to be tried again;
the first is stuck, as NCCL leaves it when a peer is gone: a guard ends it after ``LEAVE_SECONDS``;
the first dies: each replica watches it, and leaves at once.
"""

from __future__ import annotations

import multiprocessing as mp
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import BenchError, DeviceError
from bench.scheduling.context import warm_context
from bench.scheduling.failures import ReplicaFailedError, failure_of
from bench.scheduling.slots import too_few, visible_gpus

if TYPE_CHECKING:
    import torch

    from bench.training.parallel import Team

LEAVE_SECONDS = 20.0
NOTICE_SECONDS = 5.0  # in which a failure that others felt first is told
PATIENCE = timedelta(days=1)  # processes are watched, so that no collective needs to give up by itself

READY: dict[str, Any] = {}


class ReplicaDiedError(BenchError):
    """Another process of the run is gone, so this one can only leave; the job is to be tried again."""


@dataclass(frozen=True)
class Task:
    """What a replica trains, where, and as which of how many; ``mask``: what it sees as CUDA_VISIBLE_DEVICES."""

    config: dict[str, Any]
    cache: str
    checkpoint: str
    device: str
    mask: str
    rank: int
    size: int
    port: int


@contextmanager
def team_for(
    config: dict[str, Any], *, cache: Path, checkpoint: Path, device: torch.device, processes: int
) -> Iterator[Team]:
    """The processes that train a run together, this one first. Outside of the block the others are gone.

    Raises DeviceError if there are fewer GPUs than processes; in place of what the block raises ReplicaFailedError if
    a replica failed, and ReplicaDiedError if one died.
    """
    from bench.training.parallel import ONE_PROCESS, Processes

    if processes == 1:
        yield ONE_PROCESS
        return
    masks = visible_gpus() if device.type == "cuda" else [""] * processes
    if len(masks) < processes:
        raise DeviceError(too_few(masks, processes))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        replicas = _Replicas(
            Task(config, str(cache), str(checkpoint), device.type, masks[rank], rank, processes, port)
            for rank in range(1, processes)
        )
        try:
            replicas.wait_until_ready()
            _meet(device.type, rank=0, size=processes, port=port, listener=listener)
            yield Processes()
        except RuntimeError as error:  # as all are that a broken group raises
            trouble = replicas.trouble()
            if trouble is None:
                raise
            raise trouble from error
        finally:
            replicas.end()


class _Replicas:
    """The other processes, by rank from 1, and a guard that ends this one if it is stuck for want of them."""

    def __init__(self, tasks: Iterable[Task]) -> None:
        context = warm_context("torch._dynamo")  # which DistributedDataParallel imports, in 1.6 s
        self.processes: dict[int, BaseProcess] = {}
        self.pipes: dict[int, Connection] = {}
        self.left = threading.Event()
        for task in tasks:
            self.pipes[task.rank], there = context.Pipe()
            self.processes[task.rank] = context.Process(target=replica_main, args=(there, task), daemon=True)
            self.processes[task.rank].start()
            there.close()
        threading.Thread(target=self._guard, daemon=True).start()

    def wait_until_ready(self) -> None:
        """Until all are about to meet, where one that does not come would be waited for."""
        for rank in self.pipes:
            if (failure := self._heard(rank)) != READY:
                raise self._died(rank) if failure is None else ReplicaFailedError(rank, failure)

    def trouble(self) -> ReplicaFailedError | ReplicaDiedError | None:
        """What went wrong first with a replica, if something did, or comes to light in a moment.

        One that died has closed its pipe before any other could fail of that.
        """
        wait([*self.pipes.values()], timeout=NOTICE_SECONDS)
        heard = {rank: self._heard(rank) for rank, pipe in self.pipes.items() if pipe.poll()}
        for rank, failure in heard.items():
            if failure is None:
                return self._died(rank)
        failures = {rank: failure for rank, failure in heard.items() if failure is not None}
        if not failures:
            return None
        first = min(failures, key=lambda rank: float(failures[rank]["at"]))
        return ReplicaFailedError(first, failures[first])

    def _heard(self, rank: int) -> dict[str, Any] | None:
        """The next message of a replica; None if it is gone."""
        try:
            message: dict[str, Any] = self.pipes[rank].recv()
        except (EOFError, OSError):
            return None
        return message

    def _died(self, rank: int) -> ReplicaDiedError:
        process = self.processes[rank]
        process.join(NOTICE_SECONDS)
        code = process.exitcode
        how = f"killed by signal {-code}" if code is not None and code < 0 else f"exit code {code}"
        return ReplicaDiedError(f"process {rank} of {len(self.processes) + 1} died ({how})")

    def end(self) -> None:
        """Ends them, who hold nothing that would be lost, and the group."""
        from torch import distributed as dist

        for process in self.processes.values():
            process.kill()
        for rank, process in self.processes.items():
            process.join()
            self.pipes[rank].close()
        if dist.is_initialized():
            dist.destroy_process_group()
        self.left.set()

    def _guard(self) -> None:
        wait([process.sentinel for process in self.processes.values()])
        if not self.left.wait(LEAVE_SECONDS):
            sys.stderr.write("another process of this run is gone, and waiting for it does not end: leaving\n")
            sys.stderr.flush()
            os._exit(1)


def _meet(device: str, *, rank: int, size: int, port: int, listener: socket.socket | None = None) -> None:
    """Lets torch.distributed know the processes. They meet on this machine alone, at a port that was free."""
    from torch import distributed as dist

    loopback = [name for _, name in socket.if_nameindex() if name in ("lo", "lo0")]
    if loopback:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", loopback[0])
    store = dist.TCPStore(  # type: ignore[attr-defined]
        "127.0.0.1", port, size, is_master=listener is not None, timeout=PATIENCE, wait_for_workers=False,
        master_listen_fd=None if listener is None else listener.detach(),
    )  # fmt: skip
    backend = "cpu:gloo,cuda:nccl" if device == "cuda" else "gloo"
    dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=PATIENCE)


def replica_main(pipe: Connection, task: Task) -> None:
    """Main of a replica: trains beside the first process, whose word it follows, and writes nothing."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the first process decides what they mean, and tells
    threading.Thread(target=_leave_with_the_first, daemon=True).start()
    os.environ["CUDA_VISIBLE_DEVICES"] = task.mask
    try:
        _train(pipe, task)
    except Exception as error:
        pipe.send({**failure_of(error, task.config), "at": time.monotonic()})
        sys.exit(1)
    with suppress(EOFError, OSError):
        pipe.recv()  # leaving would break the group, which the first may still use


def _leave_with_the_first() -> None:
    first = mp.parent_process()
    assert first is not None
    first.join()
    os._exit(1)


def _train(pipe: Connection, task: Task) -> None:
    from bench.data.packed import open_packed
    from bench.training.environment import make_deterministic, pick_device
    from bench.training.loop import StoppedError, Training
    from bench.training.parallel import Processes
    from bench.training.split import relabel, split_identities

    recipe = task.config["recipe"]
    make_deterministic(threads=recipe["threads"], deterministic=recipe["deterministic"])
    device = pick_device(task.device)
    images = open_packed(Path(task.cache), task.config["train"]["digest"])
    rows, _ = split_identities(images.labels, task.config["validation"])
    pipe.send(READY)
    _meet(task.device, rank=task.rank, size=task.size, port=task.port)
    with suppress(StoppedError):
        Training(
            task.config, images, rows, relabel(images.labels[rows]),
            device=device, checkpoint=Path(task.checkpoint), tell=lambda event: None, team=Processes(),
        ).run()  # fmt: skip
