"""Trackers other than the embedded one: a real server, and servers that refuse, fail or never answer."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from bench import tracking
from bench.store import Store
from bench.tracking import TrackReport, lagging, track_quietly, track_suite, uri_from_environment
from tests.tracking.made import entry, fill, finish, plan

SUITE = "tiny"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "results")
    fill(store)
    store.write_plan(SUITE, plan(SUITE, entry("aa01", "0"), entry("aa02", "0.1")))
    return store


@contextmanager
def listening(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """The port of a server that does one thing with every connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    answer(server.accept()[0])
                except OSError:
                    return

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]


def failing(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 4\r\nConnection: close\r\n\r\noops")
    connection.close()


def test_a_server_that_never_answers_costs_a_bounded_time_and_one_line(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracking, "QUIET_SECONDS", 2.0)
    held: list[socket.socket] = []
    with listening(held.append) as port:
        begun = time.monotonic()
        warning = track_quietly(store, SUITE, uri=f"http://me:hush@127.0.0.1:{port}")
        assert time.monotonic() - begun < 4
    for connection in held:
        connection.close()
    assert warning == (
        f"suite 'tiny' was not mirrored (later: bench track tiny --uri http://***@127.0.0.1:{port}): "
        f"MLflow at http://***@127.0.0.1:{port} did not take everything within 2 s"
    )


def test_a_server_that_fails_is_one_line_without_its_password(store: Store, capfd: pytest.CaptureFixture[str]) -> None:
    with listening(failing) as port:
        warning = track_quietly(store, SUITE, uri=f"http://me:hush@127.0.0.1:{port}") or ""
    assert warning.startswith("suite 'tiny' was not mirrored (later: bench track tiny --uri http://***@127.0.0.1:")
    assert "hush" not in warning
    assert "\n" not in warning
    assert capfd.readouterr() == ("", "")


def test_a_process_of_its_own_leaves_the_suite_to_be_mirrored_later(store: Store) -> None:
    uri = f"sqlite:///{store.root / 'other.db'}"
    (store.root / "other.db").write_text("no database, whatever its name says " * 40)
    warning = track_quietly(store, SUITE, "unknown", uri=uri) or ""
    assert "suites 'tiny', 'unknown' were not mirrored (later: bench track" in warning
    assert lagging(store, [SUITE], uri) == [SUITE]


def test_the_environment_names_the_tracker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow")
    monkeypatch.setenv("BENCH_TRACKING_URI", "")
    assert uri_from_environment() == "http://mlflow"
    monkeypatch.setenv("BENCH_TRACKING_URI", "http://bench")
    assert uri_from_environment() == "http://bench"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def server(database: Path, tmp_path: Path) -> Iterator[str]:
    """A real MLflow server on this machine, ended with all its processes."""
    port, folder = free_port(), tmp_path / "server"
    folder.mkdir()
    (folder / "mlflow.db").write_bytes(database.read_bytes())
    env = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    words = ["server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    words += ["--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}", "--artifacts-destination", str(folder / "a")]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", *words],
            cwd=folder,
            env=env,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        for _ in range(600):
            assert process.poll() is None, (folder / "log").read_text()
            try:
                with urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
                    break
            except (URLError, OSError):
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def test_a_real_server_is_told_what_was_queued_and_nothing_twice(
    store: Store, server: str, capfd: pytest.CaptureFixture[str]
) -> None:
    from mlflow import MlflowClient

    dead = f"http://127.0.0.1:{free_port()}"
    assert "not mirrored" in (track_quietly(store, SUITE, uri=dead) or "")
    (store.suite_folder(SUITE) / "report").mkdir()
    (store.suite_folder(SUITE) / "report" / "table.md").write_text("| a |\n")
    assert lagging(store, [SUITE], server) == [SUITE]
    assert track_suite(store, SUITE, uri=server) == TrackReport(new=2)
    assert lagging(store, [SUITE], server) == []
    finish(store, "aa02", accuracy=0.5)
    assert track_suite(store, SUITE, uri=server) == TrackReport(updated=1, skipped=1)
    assert capfd.readouterr() == ("", "")
    client = MlflowClient(tracking_uri=server)
    runs = list(client.search_runs([client.get_experiment_by_name(SUITE).experiment_id]))
    told = {run.data.tags.get("bench.run", "parent"): run for run in runs}
    assert len(runs) == len(told) == 3
    assert told["aa02"].data.metrics["lfw.accuracy"] == 0.5
    assert [item.path for item in client.list_artifacts(told["parent"].info.run_id, "report")] == ["report/table.md"]
