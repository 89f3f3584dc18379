"""A skip hides a test, so on CI only the reasons listed here are accepted."""

import os

import pytest

ACCEPTED = ("../shared", "CUDA", "Slurm", "PostgreSQL", "TeX", "browser")


def refused_skips(reporter: pytest.TerminalReporter) -> list[str]:
    """The skips, whole modules included, whose reason names nothing that a machine may lack."""
    lines = []
    for report in reporter.stats.get("skipped", []):
        path, line, reason = report.longrepr
        if not any(word in reason for word in ACCEPTED):
            lines.append(f"{path}:{line}: {reason}")
    return lines


def on_ci() -> bool:
    return os.environ.get("CI") == "true"


def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if on_ci() and session.exitstatus == pytest.ExitCode.OK and reporter and refused_skips(reporter):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    refused = refused_skips(terminalreporter)
    if on_ci() and refused:
        terminalreporter.section("skips refused on CI")
        terminalreporter.write_line(f"a reason must name one of: {', '.join(ACCEPTED)}")
        for line in refused:
            terminalreporter.write_line(line)
