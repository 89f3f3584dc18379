"""Applies each kept mutant to a copy of the tree; the tests it names must fail there, and pass without it."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


def survives(patch: Path | None, tests: list[str]) -> bool:
    """Whether the named tests pass on a copy with the patch."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        leave = shutil.ignore_patterns(".git", ".nox", "results", "__pycache__", "*.egg-info")
        shutil.copytree(ROOT, copy, ignore=leave)
        if patch is not None:
            subprocess.run(["git", "apply", str(patch)], cwd=copy, check=True)
        # The copy's own package, not the installed one: the folder that `-m` runs in comes first.
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
        code = subprocess.run(command, cwd=copy, capture_output=True, check=False).returncode
    if code not in (0, 1):
        raise SystemExit(f"pytest could not run {' '.join(tests)} (exit code {code})")
    return code == 0


def main() -> int:
    status = 0
    for patch in sorted(HERE.glob("*.patch")):
        tests = next(line for line in patch.read_text().splitlines() if line.startswith("tests: ")).split()[1:]
        if not survives(None, tests):
            print(f"{patch.stem}: {' '.join(tests)} fail without any mutant")  # noqa: T201
            status = 1
        caught = not survives(patch, tests)
        print(f"{patch.stem}: {'caught' if caught else 'SURVIVED'}")  # noqa: T201
        status |= not caught
    return status


if __name__ == "__main__":
    sys.exit(main())
