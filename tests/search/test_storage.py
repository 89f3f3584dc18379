"""Storages: shared by processes, opened fresh by several at once, and left by those that are killed."""

import os
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import optuna
import pytest
from sqlalchemy import text

from bench.errors import BenchError
from bench.search import storage
from bench.search.storage import Asking, end_orphans, open_storage
from tests.scheduling.planned import eventually
from tests.search import postgres

ROOT = Path(__file__).parents[2]
PROGRAMS = postgres.programs()
needs_postgres = pytest.mark.skipif(PROGRAMS is None, reason="PostgreSQL is not installed")

WORKER = """
import sys, time
from pathlib import Path
import optuna
from bench.search.storage import Asking, end_orphans, open_storage

url, path, what = sys.argv[1] or None, Path(sys.argv[2]), sys.argv[3]
optuna.logging.set_verbosity(optuna.logging.WARNING)
storage = open_storage(url, path, beat_seconds=1)
study = optuna.create_study(storage=storage, study_name="shared", load_if_exists=True, direction="maximize")
asking = Asking(study)
with asking.beating():
    for _ in range(5 if what == "work" else 1):
        trial = asking.ask()
        value = trial.suggest_float("x", 0, 1)
        print("asked", trial.number, flush=True)
        if what == "hang":
            time.sleep(600)
        study.tell(trial, value)
"""


@pytest.fixture(autouse=True)
def closed(monkeypatch):
    """Connections that are left open are warned of when they are collected, in whatever test that happens."""
    made, really = [], storage._database

    def remembered(*asked):
        made.append(really(*asked))
        return made[-1]

    monkeypatch.setattr(storage, "_database", remembered)
    yield
    for each in made:
        each.remove_session()
        each.engine.dispose()


@pytest.fixture(scope="module")
def server():
    with postgres.server(PROGRAMS) as found:
        yield found


@pytest.fixture
def database(server):
    """The URL of an empty database."""
    import psycopg

    name = f"d{time.monotonic_ns()}"
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return server.url(name)


def start(url, path, what):
    words = [sys.executable, "-c", WORKER, url or "", str(path), what]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def loaded(url, path, **options):
    return optuna.load_study(storage=open_storage(url, path, **options), study_name="shared")


def states(study):
    return Counter(trial.state.name for trial in study.get_trials(deepcopy=False))


def check_shared(url, path):
    workers = [start(url, path, "work") for _ in range(2)]
    for worker in workers:
        _, said = worker.communicate(timeout=120)
        assert worker.returncode == 0, said
    study = loaded(url, path)
    assert states(study) == {"COMPLETE": 10}
    assert sorted(trial.number for trial in study.trials) == list(range(10))


def test_processes_that_open_a_fresh_journal_at_once_share_its_study(tmp_path):
    check_shared(None, tmp_path / "deep" / "journal.log")


def test_processes_that_open_a_fresh_sqlite_file_at_once_share_its_study(tmp_path):
    check_shared(f"sqlite:///{tmp_path / 'trials.db'}", tmp_path / "journal.log")
    assert not (tmp_path / "journal.log").exists()


@needs_postgres
def test_processes_that_open_a_fresh_postgresql_at_once_share_its_study(database, tmp_path):
    check_shared(database, tmp_path / "journal.log")


def fall_silent(study, trial):
    """As if the last beat of a trial had been long ago."""
    with study._storage._backend.engine.begin() as connection:
        words = "UPDATE trial_heartbeats SET heartbeat = '2000-01-01 00:00:00' WHERE trial_id = :id"
        assert connection.execute(text(words), {"id": trial._trial_id}).rowcount == 1


def check_killed(url, path):
    """A worker that is killed: its trial is failed once it is silent, and tried again; a living one's is left."""
    killed, living = start(url, path, "hang"), None
    try:
        assert killed.stdout.readline() == "asked 0\n"
        living = start(url, path, "hang")
        assert living.stdout.readline() == "asked 1\n"
        killed.kill()
        killed.wait()
        study = loaded(url, path)
        asked = study.trials[0]
        fall_silent(study, asked)
        deadline = time.monotonic() + 30
        while not end_orphans(study) and states(study)["FAIL"] == 0:  # or the living one saw it first
            assert time.monotonic() < deadline
            time.sleep(0.2)
        assert states(study) == {"FAIL": 1, "RUNNING": 1, "WAITING": 1}
        asking = Asking(study)
        again = asking.ask()
        assert again.number == 2
        assert again.suggest_float("x", 0, 1) == asked.params["x"]
        assert again.user_attrs[storage.ASKER]["pid"] == os.getpid()
        study.tell(again, 1.0)
        assert end_orphans(study) == []
        assert states(study) == {"FAIL": 1, "RUNNING": 1, "COMPLETE": 1}
    finally:
        for worker in filter(None, (killed, living)):
            worker.kill()
            worker.communicate()


@needs_postgres
def test_in_postgresql_the_trial_of_a_killed_search_goes_stale_and_is_tried_again(database, tmp_path):
    check_killed(database, tmp_path / "journal.log")


def test_in_sqlite_the_trial_of_a_killed_search_goes_stale_and_is_tried_again(tmp_path):
    check_killed(f"sqlite:///{tmp_path / 'trials.db'}", tmp_path / "journal.log")


def test_a_trial_whose_search_dies_again_and_again_is_given_up(tmp_path):
    opened = open_storage(f"sqlite:///{tmp_path / 'trials.db'}", tmp_path / "j", retries=2)
    study = optuna.create_study(storage=opened, study_name="shared")
    for expected in ({"FAIL": 1, "WAITING": 1}, {"FAIL": 2, "WAITING": 1}, {"FAIL": 3}):
        trial = Asking(study).ask()
        trial.suggest_float("x", 0, 1)
        assert end_orphans(study) == []
        fall_silent(study, trial)
        assert len(end_orphans(study)) == 1
        assert states(study) == expected
    assert len({trial.params["x"] for trial in study.trials}) == 1


def test_a_heart_that_beats_keeps_a_trial_until_it_is_told(tmp_path):
    opened = open_storage(f"sqlite:///{tmp_path / 'trials.db'}", tmp_path / "j", beat_seconds=1)
    study = optuna.create_study(storage=opened, study_name="shared")
    asking = Asking(study)
    with asking.beating():
        trial = asking.ask()
        fall_silent(study, trial)
        eventually(lambda: not opened._get_stale_trial_ids(study._study_id))
        study.tell(trial, 0.5)
        eventually(lambda: not asking._asked)
    assert states(study) == {"COMPLETE": 1}


def test_in_a_journal_only_the_trials_of_processes_that_are_gone_are_failed(tmp_path):
    path = tmp_path / "journal.log"
    killed = start(None, path, "hang")
    assert killed.stdout.readline() == "asked 0\n"
    living = start(None, path, "hang")
    try:
        assert living.stdout.readline() == "asked 1\n"
        killed.kill()
        killed.communicate()
        study = loaded(None, path)
        study.ask()  # by something that is not this project
        Asking(study).ask()  # by an earlier search of this process
        assert end_orphans(study) == [0, 2, 3]
        assert [trial.state.name for trial in study.trials] == ["FAIL", "RUNNING", "FAIL", "FAIL"]
        assert end_orphans(study) == []
    finally:
        living.kill()
        living.communicate()


def test_half_a_line_that_a_killed_process_left_is_cut_off_the_journal(tmp_path):
    path = tmp_path / "journal.log"
    study = optuna.create_study(storage=open_storage(None, path), study_name="shared")
    study.tell(study.ask(), 1.0)
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"op_code":4,"wor')
    again = loaded(None, path)
    again.tell(again.ask(), 2.0)
    assert states(loaded(None, path)) == {"COMPLETE": 2}
    assert path.read_bytes().startswith(whole)


# what cannot be opened


def refusal(url, path):
    with pytest.raises(BenchError) as caught:
        open_storage(url, path)
    said = str(caught.value)
    assert "\n" not in said
    assert "sesame" not in said
    return said


@needs_postgres
def test_a_wrong_password_is_refused_and_not_shown(server, tmp_path):
    said = refusal(server.url(password="sesame"), tmp_path / "j")
    assert "password authentication failed" in said
    assert f"bench:***@127.0.0.1:{server.port}/postgres" in said


@needs_postgres
def test_a_database_that_does_not_exist_is_told(server, tmp_path):
    with pytest.raises(BenchError, match='database "nowhere" does not exist'):
        open_storage(server.url("nowhere"), tmp_path / "j")


def test_a_server_that_does_not_answer_is_told_without_the_password(tmp_path):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        said = refusal(f"postgres://me:sesame@127.0.0.1:{port}/trials", tmp_path / "j")
    assert "refused" in said
    assert f"postgresql+psycopg://me:***@127.0.0.1:{port}/trials" in said


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql+pg8000://me:sesame@host/db", "needs the package pg8000"),
        ("nosuch://me:sesame@host/db", "nosuch"),
        ("me:sesame@host", "must be a URL such as"),
        ("sqlite:////nowhere/at/all.db", "unable to open database file"),
    ],
)
def test_what_is_no_storage_is_refused_in_words(tmp_path, url, words):
    assert words in refusal(url, tmp_path / "j")


def test_a_missing_driver_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    assert "pip install -e .[postgres]" in refusal("postgresql://me:sesame@host/db", tmp_path / "j")
    monkeypatch.setitem(sys.modules, "pymysql", None)
    assert "pip install -e .[mysql]" in refusal("mysql://me:sesame@host/db", tmp_path / "j")


def test_a_journal_that_cannot_be_kept_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BenchError, match="cannot be kept"):
        open_storage(None, tmp_path / "file" / "journal.log")


def test_the_dashboard_opens_the_journal(tmp_path):
    from optuna_dashboard._app import create_app

    opened = open_storage(None, tmp_path / "journal.log")
    study = optuna.create_study(storage=opened, study_name="shared")
    study.tell(study.ask(), 1.0)
    answer: dict[str, str] = {}
    wsgi = {
        "REQUEST_METHOD": "GET", "PATH_INFO": "/api/studies", "SERVER_NAME": "x", "SERVER_PORT": "80",
        "wsgi.url_scheme": "http", "wsgi.input": sys.stdin, "wsgi.errors": sys.stderr,
    }  # fmt: skip
    body = b"".join(create_app(opened)(wsgi, lambda status, headers, *_: answer.update(status=status)))
    assert answer["status"].startswith("200")
    assert b"shared" in body
