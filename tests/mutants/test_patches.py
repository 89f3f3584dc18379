"""Kept mutants rot silently: each must still apply to the tree, and name tests that exist."""

import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
PATCHES = sorted(HERE.glob("*.patch"))


@pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: patch.stem)
def test_a_kept_mutant_applies_and_names_tests_that_exist(patch):
    done = subprocess.run(
        ["git", "apply", "--check", str(patch)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (named,) = [line for line in patch.read_text().splitlines() if line.startswith("tests: ")]
    for test in named.split()[1:]:
        file, _, rest = test.partition("::")
        assert not rest or f"def {rest.partition('[')[0]}(" in (ROOT / file).read_text()
        assert (ROOT / file).is_file()
