"""What a report says of where its numbers come from, and what it keeps to itself."""

import hashlib
import json
from contextlib import nullcontext

import pytest

from bench.report.drawing import Drawn
from bench.report.private import all_public, public
from bench.report.provenance import latex_foot, markdown_foot, provenance, short, stamp
from bench.report.results import report_data
from bench.report.write import write_report
from tests.report.fabricated import fabricate


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setattr("bench.report.write.drawing_figures", lambda *asked: nullcontext(lambda: Drawn((), {})))
    command = "python -m bench run /srv/jane/suites/x.yaml --set search.storage=postgresql://jane:secret@db/optuna"
    return fabricate(
        tmp_path, backbones=["small_cnn"], margins=["arcface"], failed={("small_cnn", "arcface", 1.0, 1): "no"},
        plan={"command": command, "file": "/srv/jane/suites/x.yaml", "title": "x -->\n<script>"},
    )  # fmt: skip


def test_it_is_what_the_runs_recorded(store):
    found = provenance(report_data(store, "made_up"))
    assert found["runs"] == {"planned": 8, "done": 7, "failed": 1, "cancelled": 0, "missing": 0}
    assert found["commits"] == [{"commit": "c0ffee", "dirty": False, "runs": 7}]
    assert found["versions"] == {"python": ["3.12"], "torch": ["2.14"]}
    assert found["devices"] == [{"device": "cpu", "runs": 7}]
    assert found["data"] == {"train": ["feed"], "protocols": {}}
    assert (found["file"], found["imported"]) == ("…/x.yaml", None)
    assert found["command"] == "python -m bench run …/x.yaml --set search.storage=postgresql://…@db/optuna"


def test_dirty_and_unknown_commits_are_said(store):
    run = report_data(store, "made_up").done["run"].iloc[0]
    result = store.result(run)
    store.write_result(run, {**result, "environment": {"commit": "beef", "dirty": True}})
    found = provenance(report_data(store, "made_up"))
    assert found["commits"][1] == {"commit": "beef", "dirty": True, "runs": 1}
    assert "commit c0ffee, beef with changed files" in short(found)


def test_every_table_carries_it_and_no_text_breaks_out_of_the_comment(store):
    folder = write_report(store, "made_up").folder
    found = provenance(report_data(store, "made_up"))
    hostile = {**found, "suite": "x --> <b>", "command": "a\n\\end{document} --"}
    assert markdown_foot(hostile).count("-->") == 1
    assert markdown_foot(hostile).rstrip().endswith("-->")
    assert latex_foot(hostile).count("\n") == 1
    assert markdown_foot(found) in (folder / "table.md").read_text()
    assert latex_foot(found) in (folder / "table.tex").read_text()
    assert all(isinstance(text, str) for text in stamp(report_data(store, "made_up")).values())
    assert "jane" not in json.dumps(stamp(report_data(store, "made_up")))


def test_the_hashes_are_those_of_the_files(store):
    folder = write_report(store, "made_up").folder
    said = json.loads((folder / "provenance.json").read_text())
    there = {path.name for path in folder.iterdir() if path.is_file()} - {"provenance.json"}
    assert there == said["files"].keys()
    for name, digest in said["files"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    table = json.loads((folder / "table.json").read_text())
    assert [row["cell"] for row in table["rows"]] == list(
        dict.fromkeys(r["cell"] for r in store.plan("made_up")["runs"])
    )
    (run,) = (run for run in table["rows"][3]["runs"] if run["status"] == "failed")
    assert run["run"] not in table["runs"]
    assert "jane" not in (folder / "table.json").read_text()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/srv/jane/my faces/lfw", "…/lfw"),
        ("read '/srv/jane/faces': 3 of 4", "read '…/faces': 3 of 4"),
        ("data.root=/data", "data.root=…/data"),
        ("genuine/impostor, ../shared/faces, suites/x.yaml", "genuine/impostor, ../shared/faces, suites/x.yaml"),
        ("https://example.org/a/b", "https://example.org/a/b"),
        ("mysql://me:pw@host:33/db", "mysql://…@host:33/db"),
    ],
)
def test_paths_and_accounts_are_cut(text, shown):
    assert public(text) == shown
    assert public(shown) == shown
    assert all_public({"/key": [text, 1, None]}) == {"/key": [shown, 1, None]}
