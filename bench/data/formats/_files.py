"""What lies in folders: images, people's sub-folders, and the files that a list names."""

from __future__ import annotations

import os
from pathlib import Path

from bench.data.formats._lists import IMAGE_SUFFIXES, refuse
from bench.errors import DataError


def images_in(folder: Path) -> tuple[list[str], list[str]]:
    """Names of the images in a folder, sorted, and what is wrong with all other entries, each ``NAME is …``.

    Hidden entries are left out. Raises DataError where the folder cannot be read.
    """
    images: list[str] = []
    wrong: list[str] = []
    for entry in _entries(folder):
        if not entry.name.lower().endswith(IMAGE_SUFFIXES) or not _is_file(entry):
            wrong.append(f"{entry.name} is not an image ({', '.join(IMAGE_SUFFIXES)})")
        elif not _is_utf8(entry.name):
            wrong.append(f"{entry.name} is a name that is not UTF-8")
        else:
            images.append(entry.name)
    return sorted(images), sorted(wrong)


def folders_in(folder: Path) -> list[str]:
    """Names of the sub-folders, sorted; hidden ones are left out. Raises DataError for a name that is not UTF-8."""
    names = sorted(entry.name for entry in _entries(folder) if _is_folder(entry))
    refuse(folder, (f"{name}/ is a name that is not UTF-8" for name in names if not _is_utf8(name)))
    return names


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror or error}") from None


def is_file(path: Path) -> bool:
    """Whether a file is there. What cannot be looked up (a loop of links, a path too long) is not."""
    try:
        return path.is_file()
    except OSError:
        return False


def is_folder(path: Path) -> bool:
    """Whether a folder is there. What cannot be looked up (a loop of links, a path too long) is not."""
    try:
        return path.is_dir()
    except OSError:
        return False


def _is_file(entry: os.DirEntry[str]) -> bool:
    return entry.is_file(follow_symlinks=False) or (entry.is_symlink() and is_file(Path(entry.path)))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    return entry.is_dir(follow_symlinks=False) or (entry.is_symlink() and is_folder(Path(entry.path)))


def _is_utf8(name: str) -> bool:
    return not any("\ud800" <= c <= "\udfff" for c in name)


class ListedFiles:
    """Looks up files that a list names below a root. A folder is read once, however many of its files are named."""

    def __init__(self, root: Path) -> None:
        self._text, self._real = str(root), os.path.realpath(root)
        self._folders: dict[str, dict[str, str]] = {}

    def problem(self, file: str) -> str | None:
        """What is wrong with a file (a safe path, see ``safe_path``), or None where it exists below the root."""
        folder, _, name = file.rpartition("/")
        found = self._folders.get(folder)
        if found is None:
            found = self._folders[folder] = self._look(folder)
        what = found.get(name, "a missing image")
        return f"names {what}: {self._text}/{file}" if what else None

    def _look(self, folder: str) -> dict[str, str]:
        """File name → what it is where it is no file of the root, else an empty text."""
        path = f"{self._text}/{folder}"
        try:
            with os.scandir(path) as entries:
                found = {entry.name: self._what(entry) for entry in entries}
        except OSError:
            return {}
        return found if self._inside(path) else dict.fromkeys(found, OUTSIDE)

    def _what(self, entry: os.DirEntry[str]) -> str:
        if entry.is_symlink() and not self._inside(entry.path):
            return OUTSIDE
        return "" if _is_file(entry) else "what is no file"

    def _inside(self, path: str) -> bool:
        return Path(os.path.realpath(path)).is_relative_to(self._real)


OUTSIDE = "a file outside of the folder, through a link"
