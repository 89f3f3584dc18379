"""The commands as a user meets them."""

from contextlib import nullcontext

from typer.testing import CliRunner

from bench.cli.main import app
from bench.report.drawing import Drawn


def run(*words):
    done = CliRunner().invoke(app, [*map(str, words)])
    assert done.exit_code == 0, done.output
    return " ".join(done.output.split())


def test_export_import_and_compare_elsewhere(trained, place, elsewhere, tmp_path, monkeypatch):
    monkeypatch.setenv("BENCH_CACHE", str(trained.cache))
    monkeypatch.setattr("bench.report.write.drawing_figures", lambda *asked: nullcontext(lambda: Drawn((), {})))
    assert "files of 4 runs" in run("export", "tiny", tmp_path / "tiny.zip", "--results", place.root)
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "empty"))
    done = run("import", tmp_path / "tiny.zip", "--check", "--results", elsewhere.root)
    assert "suite tiny: 4 runs imported" in done
    assert "metrics of 4 evaluations are those of their scores" in done
    words = ("compare", "tiny:strength=0.1", "tiny:strength=0", "--results")
    there = run(*words, elsewhere.root)  # people came along: the cache is empty there
    monkeypatch.setenv("BENCH_CACHE", str(trained.cache))
    assert there == run(*words, place.root)
