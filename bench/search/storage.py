"""Where a search keeps its trials: Optuna's journal file, or a database by URL, and what becomes of orphans.

A trial is an orphan if the process that asked for it is gone. A database tells by heartbeats, which ``Asking`` sends; a
journal has none, so there a trial carries the process that asked, and one machine at a time may use it.
"""

from __future__ import annotations

import os
import threading
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from bench.errors import BenchError
from bench.processes import began, lives, this_machine

if TYPE_CHECKING:
    import optuna

BEAT_SECONDS = 30
GRACE_SECONDS = 120
RETRIES = 2
"""How often a trial whose search died is tried again, with the same parameters."""

CONNECT_SECONDS = 10
OPEN_TRIES = 6
ASKER = "asked by"
_DRIVERS = {"postgres": "postgresql+psycopg", "postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql"}
_EXTRAS = {"postgresql": "postgres", "mysql": "mysql"}


def open_storage(
    url: str | None, path: Path, *, beat_seconds: int = BEAT_SECONDS, grace_seconds: int = GRACE_SECONDS,
    retries: int = RETRIES,
) -> optuna.storages.BaseStorage:  # fmt: skip
    """The database at ``url`` (``postgresql://``, ``mysql://``, ``sqlite://``), or the journal file at ``path``.

    The process of a trial in a database beats every ``beat_seconds``; one silent for ``grace_seconds`` counts as dead,
    and its trial is tried again at most ``retries`` times. Several processes may open a fresh one at once. Raises
    BenchError in one line, without the password, for a missing driver, an unreachable server, or a refusal.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(f"{path.name}.opening")):
            if url is None:
                return _journal(path)
            with _experimental():
                return _database(url, beat_seconds, grace_seconds, retries)
    except OSError as error:
        raise BenchError(f"the search's storage cannot be kept at {path}: {error.strerror or error}") from None


def _journal(path: Path) -> optuna.storages.BaseStorage:
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

    lock = JournalFileOpenLock(str(path))
    _cut_torn_line(path, lock)
    return JournalStorage(JournalFileBackend(str(path), lock_obj=lock))


def _cut_torn_line(path: Path, lock: Any) -> None:
    """A process killed while it wrote leaves half a line, to which the next one would append."""
    if not path.exists() or not _torn(path):
        return
    from optuna.storages.journal._file import get_lock_file

    with get_lock_file(lock):
        if _torn(path):
            content = path.read_bytes()
            with path.open("r+b") as file:
                file.truncate(content.rfind(b"\n") + 1)


def _torn(path: Path) -> bool:
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return False
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"


def _database(url: str, beat_seconds: int, grace_seconds: int, retries: int) -> optuna.storages.BaseStorage:
    from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError, SQLAlchemyError

    try:
        asked = make_url(url)
        asked = asked.set(drivername=_DRIVERS.get(asked.drivername, asked.drivername))
        backend = asked.get_backend_name()
    except (ArgumentError, ValueError):
        raise BenchError(
            "the search's storage must be a URL such as postgresql://user@host/database or sqlite:///file.db"
        ) from None
    shown = asked.render_as_string(hide_password=True)
    sqlite = backend == "sqlite"
    connect = {"timeout": 60} if sqlite else {"connect_timeout": CONNECT_SECONDS}
    for left in reversed(range(OPEN_TRIES)):
        try:
            return RDBStorage(
                asked.render_as_string(hide_password=False),
                {"connect_args": connect, "pool_pre_ping": not sqlite},
                heartbeat_interval=beat_seconds,
                grace_period=grace_seconds,
                heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(max_retry=retries),
            )
        except ImportError:
            extra = f": pip install -e .[{_EXTRAS[backend]}]" if backend in _EXTRAS else ""
            raise BenchError(
                f"the search's storage {shown} needs the package {asked.get_driver_name()}{extra}"
            ) from None
        except (SQLAlchemyError, RuntimeError, AssertionError) as error:
            # Another machine makes the tables just now: they will be there.
            if left and ("exist" in str(error) or "uplicate" in str(error) or "NIQUE" in str(error)):
                time.sleep(0.5)
                continue
            raise BenchError(f"the search's storage {shown}: {_one_line(error, asked.password)}") from None
    raise AssertionError


def _one_line(error: BaseException, password: Any) -> str:
    said = " ".join(str(getattr(error, "orig", None) or error).split())
    said = said.partition(" [SQL:")[0].partition(" (Background on this error")[0]
    return said.replace(str(password), "***") if password else said


class Asking:
    """Asks a study for trials, and lets others see that they are being worked at.

    ``ask`` in place of the study's own; ``beating`` around the whole search. Both are safe with any storage.
    """

    def __init__(self, study: optuna.Study) -> None:
        from optuna.storages._heartbeat import is_heartbeat_enabled

        self.study, self._beats = study, is_heartbeat_enabled(study._storage)
        self._asked: set[int] = set()
        self._lock = threading.Lock()

    def ask(self) -> optuna.Trial:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Heartbeat of storage is supposed")  # it is sent by `beating`
            trial = self.study.ask()
        trial.set_user_attr(ASKER, {"machine": this_machine(), "pid": os.getpid(), "began": began(os.getpid())})
        if self._beats:
            self.study._storage.record_heartbeat(trial._trial_id)
            with self._lock:
                self._asked.add(trial._trial_id)
        return trial

    @contextmanager
    def beating(self) -> Iterator[None]:
        """Beats for the trials asked for here until they are told, and ends those of others that fell silent."""
        if not self._beats:
            yield
            return
        ended = threading.Event()
        thread = threading.Thread(target=self._beat, args=(ended,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _beat(self, ended: threading.Event) -> None:
        storage: Any = self.study._storage
        while not ended.wait(storage.get_heartbeat_interval()):
            with self._lock:
                asked = set(self._asked)
            with suppress(Exception):  # the server is away: the next beat may reach it before the grace is over
                told = {trial for trial in asked if storage.get_trial(trial).state.is_finished()}
                with self._lock:
                    self._asked -= told
                for trial in asked - told:
                    storage.record_heartbeat(trial)
                _fail_stale(self.study)


def end_orphans(study: optuna.Study) -> list[int]:
    """Tells FAIL for running trials whose process is gone; returns their numbers. To be called before asking.

    In a database those whose heartbeat is stale, which are then tried again; in a journal all but those that were asked
    for by another process of this machine that still lives.
    """
    from optuna.storages._heartbeat import is_heartbeat_enabled
    from optuna.trial import TrialState

    running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    if is_heartbeat_enabled(study._storage):
        _fail_stale(study)
        still = {trial.number for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))}
        return [trial.number for trial in running if trial.number not in still]
    orphans = [trial.number for trial in running if not _asker_lives(trial.user_attrs.get(ASKER))]
    for number in orphans:
        study.tell(number, state=TrialState.FAIL, skip_if_finished=True)
    return orphans


def _fail_stale(study: optuna.Study) -> None:
    import optuna

    with _experimental():
        optuna.storages.fail_stale_trials(study)


@contextmanager
def _experimental() -> Iterator[None]:
    """Without Optuna's warning that what is called may change: versions are pinned to one that has it."""
    import optuna

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        yield


def _asker_lives(asker: Mapping[str, Any] | None) -> bool:
    if asker is None or asker["machine"] != this_machine() or asker["pid"] == os.getpid():
        return False  # what an earlier search of this very process left is an orphan, too
    return lives(asker["pid"], asker["began"])
