"""Which machine this is, and whether a process still lives: told without any clock that could be set."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
from pathlib import Path

import psutil


@functools.cache
def this_machine() -> str:
    """Tells machines apart, and one machine before and after a restart, without naming them: 16 hex digits.

    Containers that number their processes apart are machines of their own: neither sees whether the other's live.
    """
    boot, numbering = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
    since = boot.read_text().strip() if boot.is_file() else str(int(psutil.boot_time()))
    numbered = str(numbering.readlink()) if numbering.is_symlink() else ""
    return hashlib.sha256(f"{platform.node()} {since} {numbered}".encode()).hexdigest()[:16]


def began(pid: int) -> float:
    """When a process of this machine began, in seconds since the machine started; where the system does not tell that,
    since the epoch. Raises psutil.NoSuchProcess."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return int(after_name[19]) / os.sysconf("SC_CLK_TCK")  # "starttime" in proc(5); psutil adds a clock to it
    except (OSError, IndexError, ValueError):
        return psutil.Process(pid).create_time()


def lives(pid: int, since: float | None = None) -> bool:
    """Whether a process of this machine still runs; with ``since``, the one that ``began`` then."""
    try:
        if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return False
        return since is None or abs(began(pid) - since) <= 1.0
    except psutil.NoSuchProcess:
        return False
