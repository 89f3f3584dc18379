"""A suite that is exported and imported elsewhere gives the same tables, and says that it was not trained there."""

import json
import zipfile

import pytest

from bench.exchange.archive import ExchangeError
from bench.exchange.export import export
from bench.exchange.import_ import import_export
from bench.report.provenance import provenance
from bench.report.results import report_data
from bench.report.write import write_report
from bench.store import Store
from bench.suite.suite import load_suite


def test_the_tables_elsewhere_are_the_same_to_the_byte(trained, elsewhere):
    done = import_export(elsewhere, trained.zip, check=True)
    assert (len(done.added), done.completed, done.equal) == (4, (), ())
    assert done.checked.values > 4 * 8
    assert (done.checked.evaluations, done.checked.without, done.checked.differing) == (4, 0, ())
    write_report(elsewhere, "tiny")
    for name in ("table.md", "table.tex", "table.csv"):
        files = [store.suite_folder("tiny") / "report" / name for store in (trained.store, elsewhere)]
        assert files[0].read_bytes() == files[1].read_bytes(), name


def test_what_was_imported_is_marked(trained, elsewhere):
    import_export(elsewhere, trained.zip)
    found = provenance(report_data(elsewhere, "tiny"))
    assert found.pop("imported") == {"runs": 4, "of": 4, "manifest": trained.done.manifest}
    here = provenance(report_data(trained.store, "tiny"))
    assert here.pop("imported") is None
    assert found == here


def test_an_export_of_equal_results_is_equal(place, trained, tmp_path):
    export(place, "tiny", tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == trained.zip.read_bytes()


def test_it_holds_no_path_of_this_machine(trained):
    with zipfile.ZipFile(trained.zip) as archive:
        names = archive.namelist()
        contents = {name: archive.read(name) for name in names}
    assert [name for name, content in contents.items() if str(trained.folder).encode() in content] == []
    assert b"/results" in contents["plan.json"]
    assert not [name for name in names if "log" in name or "checkpoint" in name or name.endswith(".html")]
    assert names[:-1] == sorted(names[:-1])


def test_the_suite_in_it_can_be_loaded(trained, tmp_path):
    with zipfile.ZipFile(trained.zip) as archive:
        (tmp_path / "suite.yaml").write_bytes(archive.read("suite.yaml"))
        plan = json.loads(archive.read("plan.json"))
    again = load_suite(tmp_path / "suite.yaml", [f"data.root={trained.folder / 'root'}"])
    assert (again.name, len(again.cells), again.seeds) == ("tiny", 2, (0, 1))
    assert again.digest == plan["digest"]


def test_import_again_changes_nothing_and_other_results_are_refused(trained, place):
    done = import_export(place, trained.zip)
    assert (done.added, done.completed, len(done.equal)) == ((), (), 4)
    assert place.imported("tiny") is None
    run = done.equal[0]
    result = place.result(run)
    place.write_result(run, {**result, "weights_sha256": "0" * 64})
    with pytest.raises(ExchangeError, match=f"run {run} is here with another result; nothing was imported"):
        import_export(place, trained.zip)


def test_an_evaluation_that_is_not_here_is_added(trained, place):
    run = place.run_ids()[0]
    place.clear_evaluations(run)
    done = import_export(place, trained.zip)
    assert (done.completed, len(done.equal)) == ((run,), 3)
    assert next(each.state(place) for each in _planned(place) if each.run == run) == "done"


def test_a_run_that_somebody_works_at_is_left_alone(trained, elsewhere):
    run = trained.store.run_ids()[0]
    elsewhere.append_event(run, {"kind": "started"})
    with pytest.raises(ExchangeError, match=f"run {run} is here and not trained"):
        import_export(elsewhere, trained.zip)
    assert elsewhere.run_ids() == [run]


def test_embeddings_and_weights_come_along_when_asked(trained, place, elsewhere, tmp_path):
    export(place, "tiny", tmp_path / "all.zip", embeddings=True, weights=True)
    assert (tmp_path / "all.zip").stat().st_size > trained.zip.stat().st_size
    import_export(elsewhere, tmp_path / "all.zip")
    for run in place.run_ids():
        mine, theirs = (
            {n: p.read_bytes() for n, p in s.files(run).items() if n != "events.jsonl"} for s in (place, elsewhere)
        )
        assert mine == theirs
    # the slim one says the same of the same runs
    assert len(import_export(elsewhere, trained.zip).equal) == 4


def test_an_export_without_scores_is_smaller_and_says_that_nothing_was_checked(trained, place, elsewhere, tmp_path):
    export(place, "tiny", tmp_path / "bare.zip", scores=False)
    done = import_export(elsewhere, tmp_path / "bare.zip", check=True)
    assert (done.checked.values, done.checked.without) == (0, 4)


def test_it_does_not_write_over_a_file(place, tmp_path):
    (tmp_path / "mine.zip").write_text("mine")
    with pytest.raises(ExchangeError, match="is there already; --force"):
        export(place, "tiny", tmp_path / "mine.zip")
    assert (tmp_path / "mine.zip").read_text() == "mine"


def _planned(store: Store):
    from bench.scheduling.selection import asked_by

    return asked_by(store, "tiny")
