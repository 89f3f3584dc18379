"""The commands as a user meets them."""

from typer.testing import CliRunner

from bench.cli.main import app


def run(*words):
    done = CliRunner().invoke(app, [*map(str, words)])
    assert done.exit_code == 0, done.output
    return " ".join(done.output.split())


def test_export_import_and_compare_elsewhere(place, elsewhere, tmp_path, monkeypatch):
    monkeypatch.setattr("bench.report.write.draw_figures", lambda data: [])
    assert "files of 4 runs" in run("export", "tiny", tmp_path / "tiny.zip", "--results", place.root)
    done = run("import", tmp_path / "tiny.zip", "--check", "--results", elsewhere.root)
    assert "suite tiny: 4 runs imported" in done
    assert "metrics of 4 evaluations are those of their scores" in done
    words = ("compare", "tiny:strength=0.1", "tiny:strength=0", "--results")
    assert run(*words, elsewhere.root) == run(*words, place.root)  # people came along, the cache is empty there
