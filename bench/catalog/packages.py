"""Installed packages that register things of their own through entry points, and which of them brought a thing."""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

from bench.errors import BenchError

_OWN = __name__.partition(".")[0] + "."


@dataclass(frozen=True)
class Package:
    """A distribution by name and version; None for a module that no distribution declares."""

    name: str
    version: str | None

    def __str__(self) -> str:
        return f"{self.name} {self.version or '(not installed)'}"


@functools.cache
def _entries() -> tuple[EntryPoint, ...]:
    """The entry points of this project's groups, in an order that no file system decides."""
    found = entry_points()
    groups = sorted(group for group in found.groups if group.startswith("bench_"))
    return tuple(e for group in groups for e in sorted(found.select(group=group), key=lambda e: (e.name, e.value)))


def load_entries(group: str) -> None:
    """Imports what the packages declare in a group, which registers it. Raises BenchError for one that cannot be."""
    for entry in (entry for entry in _entries() if entry.group == group):
        try:
            entry.load()
        except Exception as error:
            reason = str(error) if isinstance(error, BenchError) else f"{type(error).__name__}: {error}"
            raise BenchError(
                f"package {_package(entry)}: its entry point {entry.name} = {entry.value} in {group} cannot be loaded: "
                f"{' '.join(reason.split())}; mend the package or uninstall it"
            ) from error


def package_of(module: str) -> Package | None:
    """The package that declares a module or its neighbour as an entry point; None for a module of this project."""
    if module.startswith(_OWN):
        return None
    parts = module.split(".")

    def shared(entry: EntryPoint) -> int:
        pairs = zip(parts, entry.value.partition(":")[0].split("."), strict=False)
        return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))

    nearest = max(_entries(), key=shared, default=None)
    return _package(nearest) if nearest is not None and shared(nearest) else Package(parts[0], None)


def _package(entry: EntryPoint) -> Package:
    assert entry.dist is not None  # of an entry point that was found among the installed packages
    return Package(entry.dist.name, entry.dist.version)
