"""What a file recorded is planned with the same ids, trained again elsewhere, and held against the recorded numbers."""

import json
import shutil

import pytest
from typer.testing import CliRunner

from bench.cli.main import app
from bench.exchange.archive import ExchangeError
from bench.exchange.recorded import Recorded, read_recording
from bench.exchange.reproduce import check, compare
from bench.exchange.same_ids import id_problems
from bench.records import digest, write_json
from bench.scheduling.plan import PlannedRun
from bench.store import Store


def table(store):
    return store.suite_folder("tiny") / "report" / "table.json"


def reproduce(*words):
    return CliRunner().invoke(app, ["reproduce", *map(str, words)])


def changed(run, **config):
    """The run with another configuration, under the id that this one has."""
    record = run.record()
    record["config"] = {**record["config"], **config}
    return PlannedRun.from_record({**record, "run": digest(record["config"])})


def test_every_file_gives_the_same_runs(place, trained):
    ids = trained.store.run_ids()
    report = trained.store.suite_folder("tiny")
    for file in (table(place), report / "report" / "provenance.json", report / "plan.json", trained.zip):
        recording = read_recording(file)
        assert sorted(each.run.run for each in recording.runs) == ids, file
        assert [each for each in check(recording, trained.cache) if each.problems or each.missing] == [], file
    for name in ("result.json", "config.json"):
        (each,) = read_recording(place.run_folder(ids[0]) / name).runs
        assert each.run.run == ids[0]
        assert id_problems(each.run) == []
        assert each.run.evaluations.keys() == {"lfw", "train"}


def test_a_result_by_itself_is_trained_without_tests(trained, tmp_path):
    shutil.copy(trained.store.run_folder(trained.store.run_ids()[0]) / "result.json", tmp_path / "result.json")
    (each,) = read_recording(tmp_path / "result.json").runs
    assert (each.run.evaluations, id_problems(each.run)) == ({}, [])


def test_training_again_gives_the_recorded_bits(place, tmp_path):
    done = reproduce(table(place), "--into", tmp_path / "again", "--inline")
    assert done.exit_code == 0, done.output
    assert "4 of 4 runs are reproduced" in done.output
    assert done.output.count("equal to the bit") == 4
    again = Store(tmp_path / "again")
    assert again.run_ids() == place.run_ids()
    run = again.run_ids()[0]
    result = place.result(run)
    recorded = json.loads(table(place).read_text())
    recorded["runs"][run]["values"]["lfw.accuracy"] += 1e-6
    write_json(tmp_path / "table.json", recorded)
    done = reproduce(tmp_path / "table.json", "--into", tmp_path / "again", "--json")
    assert done.exit_code == 1
    wrong = {each["run"]: each["wrong"] for each in json.loads(done.stdout)["runs"]}
    assert [key for key, found in wrong.items() if found] == [run]
    assert wrong[run][0].startswith("lfw.accuracy recorded ")
    # in another execution class a difference as small is none
    other = {**result["execution_class"], "torch": "1.0"}
    (each,) = (each for each in read_recording(tmp_path / "table.json").runs if each.run.run == run)
    loose = Recorded(each.run, "0" * 64, other, each.values)
    (found,) = compare(type(read_recording(table(place)))(None, (loose,)), again)
    assert (found.wrong, found.differs[:5]) == ((), "torch")


def test_it_says_which_field_would_give_another_id(place):
    (each, *_) = read_recording(table(place)).runs
    run, config = each.run, each.run.config
    cases = [
        ({"semantics": 1}, "trained under semantics version 1"),
        ({"recipe": {key: v for key, v in config["recipe"].items() if key != "clip_gradient"}}, "recipe.clip_gradient"),
        ({"recipe": {**config["recipe"], "warp": 2}}, "recipe.warp: Extra inputs"),
        ({"margin": {"name": "from_a_plugin"}}, "unknown margin 'from_a_plugin'"),
        ({"packages": {"plugin": "1.0"}}, "it used the packages {'plugin': '1.0'}; installed here are {}"),
    ]
    for changes, problem in cases:
        assert any(problem in found for found in id_problems(changed(run, **changes))), changes
    record = run.record()
    other = PlannedRun.from_record({**record, "config": {**record["config"], "pixels": 32}})
    assert "is that of run" in id_problems(other)[0]
    other = PlannedRun.from_record({**record, "options": {**record["options"], "flip": False}})
    assert "evaluation on lfw" in id_problems(other)[0]


def test_data_that_is_not_here_is_told(place, tmp_path, monkeypatch):
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "empty"))
    done = reproduce(table(place), "--plan")
    assert done.exit_code == 1
    said = " ".join(done.output.split())
    assert "its training data (packed as" in said
    assert "4 of 4 runs have the recorded ids when computed from their configuration; the data of 4 is not here" in said
    assert reproduce(table(place)).exit_code == 1  # and nothing is begun


def test_changed_and_strange_files_are_refused(place, tmp_path):
    folder = table(place).parent
    table(place).write_text(table(place).read_text() + " ")
    with pytest.raises(ExchangeError, match="one of them was changed"):
        read_recording(folder / "provenance.json")
    result = place.run_folder(place.run_ids()[0]) / "result.json"
    result.write_text(result.read_text().replace('"epochs": 1', '"epochs": 3'))
    with pytest.raises(ExchangeError, match="does not have the checksum"):
        read_recording(result)
    for text in ("", "[]", "{}", '{"kind": "table"}', "x"):
        (tmp_path / "f.json").write_text(text)
        with pytest.raises(ExchangeError):
            read_recording(tmp_path / "f.json")
