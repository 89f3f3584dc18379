"""Packages as an installer would leave them in a folder: modules beside a ``.dist-info`` with entry points."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "docs" / "plugin_example"


def installed(folder: Path, name: str, version: str, groups: dict[str, dict[str, str]]) -> Path:
    """Declares a distribution in a folder. ``groups``: entry points by group."""
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines = [
        line
        for group, entries in groups.items()
        for line in (f"[{group}]", *(f"{key} = {value}" for key, value in entries.items()))
    ]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return folder


def installed_example(folder: Path, version: str | None = None) -> Path:
    """The example of the documentation, as its own pyproject.toml declares it."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text(encoding="utf-8"))
    for package in project["tool"]["setuptools"]["packages"]:
        shutil.copytree(EXAMPLE / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    about = project["project"]
    return installed(folder, about["name"], version or about["version"], about["entry-points"])


def python(*words: object, path: tuple[Path, ...], cwd: Path = ROOT, **environment: str):
    """``python`` in a process of its own, with folders put on its path."""
    given = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, [ROOT, *path])), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *map(str, words)], cwd=cwd, env={**given, **environment},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
