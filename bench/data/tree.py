"""What lies below a folder, however its links run."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from bench.data.formats._lists import IMAGE_SUFFIXES


@dataclass(frozen=True)
class Tree:
    """Posix paths relative to a folder, sorted: images by their suffix, other files, and what cannot be searched."""

    images: tuple[str, ...]
    others: tuple[str, ...]
    problems: tuple[str, ...]


def tree(root: Path) -> Tree:
    """All files below a folder. Links are followed, but no folder is searched twice; hidden entries are left out.

    Pipes, sockets and devices count as problems: opening them could wait for ever. A folder that cannot be read is
    one too; the root raises OSError.
    """
    images: list[str] = []
    others: list[str] = []
    problems: list[str] = []
    at = root.stat()
    searched = {(at.st_dev, at.st_ino): "the folder itself"}
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        try:
            entries = sorted(os.scandir(root / folder), key=lambda entry: entry.name)
        except OSError as error:
            if not folder:
                raise
            problems.append(f"{folder[:-1]}: {error.strerror or error}")
            continue
        for entry in entries:
            name = folder + entry.name
            if entry.name.startswith("."):
                continue
            try:
                if entry.is_dir():
                    at = (root / name).stat()  # what the entry knows by itself has no number on Windows
                    before = searched.setdefault((at.st_dev, at.st_ino), name)
                    if before == name:
                        waiting.append(f"{name}/")
                    else:
                        problems.append(f"{name}: leads to {before} and was not searched again")
                elif not entry.is_file():
                    problems.append(f"{name}: neither a file nor a folder")
                else:
                    (images if name.lower().endswith(IMAGE_SUFFIXES) else others).append(name)
            except OSError as error:
                problems.append(f"{name}: {error.strerror or error}")
    return Tree(tuple(sorted(images)), tuple(sorted(others)), tuple(problems))
