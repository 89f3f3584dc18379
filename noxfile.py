"""Every session gets a fresh environment of its own: `nox -s tests`, `nox -s lint`, `nox -s bench`."""

import tempfile
from pathlib import Path

import nox
from nox.command import CommandFailed

nox.options.sessions = ["tests"]
nox.options.reuse_venv = "no"


def quiet_environment(cache: str) -> dict[str, str]:
    """One thread a process, no display, and a cache that leaves the user's own alone."""
    return {"OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg", "BENCH_CACHE": cache}


@nox.session
def tests(session: nox.Session) -> None:
    """The tests; arguments after `--` go to pytest."""
    # Editable, because a `build/` folder left by an ordinary install would bring deleted modules back.
    session.install("-e", ".[dev]")
    with tempfile.TemporaryDirectory() as cache:
        # A process a core, each with a copy of torch; the tests of a file share what they train, so they stay together.
        parallel = ("-n", "logical", "--maxprocesses", "4", "--dist", "loadfile")
        session.run("pytest", *parallel, *session.posargs, env=quiet_environment(cache))


@nox.session
def lint(session: nox.Session) -> None:
    """Style, format, types and the direction of imports; all four report before the session fails."""
    session.install("-e", ".[lint]")
    failed = []
    for check in (["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"], ["lint-imports"]):
        try:
            session.run(*check)
        except CommandFailed:
            failed.append(" ".join(check))
    if failed:
        session.error(f"failed: {', '.join(failed)}")


@nox.session
def bench(session: nox.Session) -> None:
    """Every benchmark, or those whose names follow `--`."""
    session.install("-e", ".")
    chosen = session.posargs or [path.stem for path in sorted(Path("benchmarks").glob("*.py"))]
    with tempfile.TemporaryDirectory() as cache:
        for name in chosen:
            session.run("python", f"benchmarks/{name}.py", env=quiet_environment(cache))


@nox.session
def mutants(session: nox.Session) -> None:
    """Breaks a copy of the code in a few kept ways; the tests that each one names must notice."""
    session.install("-e", ".[dev]")
    with tempfile.TemporaryDirectory() as cache:
        session.run("python", "tests/mutants/run.py", env=quiet_environment(cache))
