"""What the repository promises as a whole: its documents, its suites, its start-up, its rule about skips."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bench.catalog.metrics import METRICS, PARAMETRIC
from bench.suite.suite import load_suite

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "results" / "README.md"])
SUITES = sorted(ROOT.glob("suites/*.yaml"))
README = (ROOT / "README.md").read_text(encoding="utf-8")
TEXT = {
    ".cfg",
    ".csv",
    ".css",
    ".html",
    ".js",
    ".json",
    ".md",
    ".py",
    ".sh",
    ".tex",
    ".toml",
    ".txt",
    ".yaml",
    ".yml",
    "",
}


def anchors(document: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_relative_links_resolve(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    targets = [t for t in re.findall(r"\]\(([^)\s]+)\)", text) if not re.match(r"[a-z]+:", t)]
    broken = []
    for target in targets:
        path, _, anchor = target.partition("#")
        file = (document.parent / path) if path else document
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(target)
    assert not broken


def test_every_document_is_linked_from_the_readme() -> None:
    missing = [d.name for d in ROOT.glob("docs/*.md") if f"(docs/{d.name})" not in README]
    assert not missing


def test_every_metric_is_defined_on_the_page_of_metrics() -> None:
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    names = [*METRICS, *(f"{start}{'k' if start == 'rank_' else 'f'}" for start in PARAMETRIC)]
    undefined = [name for name in names if f"| `{name}` |" not in page and f"**{name}**" not in page]
    assert not undefined


def test_readme_states_the_two_commands_alone_on_their_lines() -> None:
    lines = README.splitlines()
    assert "python -m pip install -e . && python -m bench run suites/ablation_intra.yaml" in lines
    assert "python -m pip install nox && nox -s tests" in lines


def test_ci_runs_the_readme_line() -> None:
    assert "python -m pip install nox && nox -s tests" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "example", re.findall(r"```yaml\n(.*?)```", README, re.DOTALL), ids=lambda text: text.splitlines()[0]
)
def test_readme_suites_load(example: str, tmp_path: Path) -> None:
    suite = tmp_path / "example.yaml"
    suite.write_text(example, encoding="utf-8")
    assert load_suite(suite).cells


def test_readme_margin_is_the_one_in_the_code() -> None:
    source = (ROOT / "bench" / "losses" / "margins" / "cosface.py").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```python\n.*?(def psi.*?)```", README, re.DOTALL)
    assert shown in source


def test_there_are_suites() -> None:
    assert ROOT / "suites" / "ablation_intra.yaml" in SUITES


@pytest.mark.parametrize("suite", SUITES, ids=lambda p: p.stem)
def test_suites_load(suite: Path) -> None:
    loaded = load_suite(suite)
    assert loaded.cells
    assert loaded.seeds


def files_to_publish() -> list[Path]:
    """What git tracks; without git, what lies in the folders that it would track."""
    if shutil.which("git") and (ROOT / ".git").exists():
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True).stdout
        files = [ROOT / name for name in listed.split("\0") if name]
    else:
        files = [p for top in ("bench", "benchmarks", "docs", "suites", "tests") for p in (ROOT / top).rglob("*")]
        files += [p for p in ROOT.iterdir() if p.is_file()]
    return [p for p in files if p.is_file() and "__pycache__" not in p.parts]


def test_no_file_names_a_path_of_one_machine() -> None:
    absolute = re.compile(r"(?<![\w.$~{])/(?:home|Users|root|mnt|work|scratch|workspace)/[\w.-]+|\b[A-Z]:\\Users\\")
    found = []
    for file in files_to_publish():
        if file.suffix in TEXT and file != Path(__file__).resolve():
            for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
                found += [f"{file.relative_to(ROOT)}:{number}: {hit}" for hit in absolute.findall(line)]
    assert not found


def test_help_answers_without_torch() -> None:
    program = (
        "import runpy, sys\n"
        "sys.argv = ['bench', '--help']\n"
        "try:\n"
        "    runpy.run_module('bench', run_name='__main__')\n"
        "except SystemExit as end:\n"
        "    assert not end.code, end.code\n"
        "heavy = {'torch', 'timm', 'mlflow', 'optuna', 'pandas', 'matplotlib', 'seaborn'} & sys.modules.keys()\n"
        "assert not heavy, heavy\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, check=False, text=True, timeout=60
    )
    assert answer.returncode == 0, answer.stderr
    missing = [c for c in ("run", "plan", "report", "status", "list", "schema") if c not in answer.stdout]
    assert not missing


@pytest.mark.parametrize(
    ("reason", "ci", "status"),
    [("needs CUDA", "true", 0), ("no ../shared here", "true", 0), ("not today", "true", 1), ("not today", "", 0)],
)
def test_ci_refuses_a_skip_without_an_accepted_reason(reason: str, ci: str, status: int, tmp_path: Path) -> None:
    shutil.copy(ROOT / "tests" / "conftest.py", tmp_path)
    (tmp_path / "test_skipped.py").write_text(f"import pytest\n\n\ndef test():\n    pytest.skip({reason!r})\n")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(tmp_path),
        str(tmp_path),
    ]
    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "CI": ci}, capture_output=True, check=False, text=True, timeout=60
    )
    assert done.returncode == status, done.stdout
    assert ("skips refused on CI" in done.stdout) == bool(status)
