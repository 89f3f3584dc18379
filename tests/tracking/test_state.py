"""When a suite is mirrored again: whenever something it is told of has changed, and only then."""

import pytest

from bench import tracking
from bench.store import Store
from bench.tracking import TrackReport, lagging, track_quietly
from tests.report.fabricated import fabricate

SUITE = "made_up"


@pytest.fixture
def store(tmp_path):
    store = fabricate(tmp_path, backbones=["iresnet"], margins=["arcface"], strengths=[0.0], seeds=[0, 1], epochs=1)
    (store.suite_folder(SUITE) / "report").mkdir()
    (store.suite_folder(SUITE) / "report" / "table.md").write_text("a table")
    return store


@pytest.fixture
def told(monkeypatch):
    """The suites that are mirrored; a mirroring changes the database."""
    names = []

    def track(store, plan, *_):
        names.append(plan["suite"])
        with (store.root / "mlflow.db").open("a") as database:
            database.write("told\n")
        return TrackReport()

    monkeypatch.setattr(tracking, "_mirror", track)
    return names


def first(store):
    return store.plan(SUITE)["runs"][0]


def rewrite(path, text):
    """Another file in the place of one, as the store does it."""
    (path.parent / "another").write_text(text)
    (path.parent / "another").replace(path)


CHANGES = {
    "a result": lambda s: rewrite(s.run_folder(first(s)["run"]) / "result.json", "{}"),
    "a result is gone": lambda s: (s.run_folder(first(s)["run"]) / "result.json").unlink(),
    "a failure": lambda s: s.write_failure(first(s)["run"], {"error": "x", "traceback": ""}),
    "an event": lambda s: s.append_event(first(s)["run"], {"kind": "started"}),
    "an evaluation": lambda s: s.write_evaluation(
        first(s)["run"], first(s)["evaluations"]["lfw"], {"metrics": {"accuracy": 0.1}}, {}
    ),
    "the plan": lambda s: s.write_plan(SUITE, {**s.plan(SUITE), "title": "another"}),
    "the report": lambda s: (s.suite_folder(SUITE) / "report" / "table.md").write_text("another"),
    "the database": lambda s: (s.root / "mlflow.db").write_text("another"),
    "no database": lambda s: (s.root / "mlflow.db").unlink(),
    "what is remembered": lambda s: (s.suite_folder(SUITE) / "mirrored.json").write_text("{"),
}


def test_a_suite_that_has_not_changed_is_not_mirrored_again(store, told):
    assert [track_quietly(store, SUITE) for _ in range(3)] == [None] * 3
    assert told == [SUITE]
    assert track_quietly(Store(store.root), SUITE) is None
    assert told == [SUITE]


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_changes_is_mirrored_once(store, told, change):
    track_quietly(store, SUITE)
    CHANGES[change](store)
    track_quietly(store, SUITE)
    track_quietly(store, SUITE)
    assert told == [SUITE] * 2


def test_what_changes_while_it_is_mirrored_is_mirrored_next_time(store, told, monkeypatch):
    mirror = tracking._mirror

    def slow(store, *rest):
        mirror(store, *rest)
        store.append_event(first(store)["run"], {"kind": "started"})

    with monkeypatch.context() as patch:
        patch.setattr(tracking, "_mirror", slow)
        track_quietly(store, SUITE)
    track_quietly(store, SUITE)
    track_quietly(store, SUITE)
    assert told == [SUITE] * 2


def test_a_mirroring_that_failed_is_tried_again(store, told, monkeypatch):
    def down(*_):
        raise OSError("the tracker is down")

    with monkeypatch.context() as patch:
        patch.setattr(tracking, "_mirror", down)
        assert "the tracker is down" in track_quietly(store, SUITE)
    assert track_quietly(store, SUITE) is None
    assert told == [SUITE]


def test_what_the_state_of_other_suites_is_survives_a_mirroring(store, told):
    store.write_plan("another", {**store.plan(SUITE), "suite": "another"})
    for name in (SUITE, "another", SUITE, "another"):
        track_quietly(store, name)
    assert told == [SUITE, "another"]
    assert lagging(store, [SUITE, "another"]) == []
    store.append_event(first(store)["run"], {"kind": "started"})
    assert lagging(store, [SUITE, "another"]) == [SUITE, "another"]


def test_every_target_has_its_own_state(store, told):
    tracking.track_suite(store, SUITE, uri="http://user:secret@tracker")
    assert lagging(store, [SUITE], "http://tracker") == [SUITE]
    assert lagging(store, [SUITE], "http://user:secret@tracker") == []
    assert lagging(store, [SUITE]) == [SUITE]
    assert "secret" not in (store.suite_folder(SUITE) / "mirrored.json").read_text()


def test_a_search_is_told_anew_when_it_went_on(store, told):
    track_quietly(store, SUITE)
    store.write_search(SUITE, {"schema": 2, "studies": []})
    assert lagging(store, [SUITE]) == [SUITE]
