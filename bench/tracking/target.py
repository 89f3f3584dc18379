"""Where runs are mirrored to, how MLflow is opened there, and how its errors are told: in one line, without secrets."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from bench.errors import BenchError
from bench.records import digest
from bench.store import Store

if TYPE_CHECKING:
    from mlflow import MlflowClient

LOCK_SECONDS = 60.0
DATABASE = "mlflow.db"
VARIABLES = ("BENCH_TRACKING_URI", "MLFLOW_TRACKING_URI")
_CREDENTIALS = re.compile(r"//\S*@")
_SECRETS = re.compile(r"([?&;]\w*(?:pass|pwd|token|secret|key)\w*=)[^&;\s]+", re.IGNORECASE)
_SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # MLflow's own defaults would wait for minutes on a server that is down.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}


class TrackingError(BenchError):
    """The tracker cannot be reached or refuses what is logged."""


@dataclass(frozen=True)
class Target:
    """An MLflow tracking URI, and where a database keeps its artifacts (None: a server decides that by itself)."""

    uri: str
    artifacts: str | None
    embedded: bool

    @property
    def key(self) -> str:
        """Names the target in what is remembered of it, without its password."""
        return "embedded" if self.embedded else digest(hidden(self.uri))


def target(store: Store, uri: str | None) -> Target:
    """The target of a URI; of None: an SQLite file ``mlflow.db`` in the results folder."""
    # MLflow's default for a database's artifacts is the working folder.
    beside = (store.root / "mlflow-artifacts").resolve().as_uri()
    if uri is None:
        return Target(f"sqlite:///{(store.root / DATABASE).resolve()}", beside, True)
    return Target(uri, None if uri.startswith(("http", "databricks")) else beside, False)


def uri_from_environment() -> str | None:
    return next((uri for name in VARIABLES if (uri := os.environ.get(name))), None)


@contextmanager
def opened(store: Store, where: Target, seconds: float = LOCK_SECONDS) -> Iterator[MlflowClient]:
    """A client, alone: waits for other processes of this results folder. Raises TrackingError, whatever goes wrong."""
    from filelock import FileLock

    _prepare()
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        # Two processes that make the database's tables at once crash; two that mirror at once would log runs twice.
        with FileLock(store.root / ".mlflow.lock", timeout=seconds):
            yield MlflowClient(tracking_uri=where.uri, registry_uri=where.uri)
    except (MlflowException, SQLAlchemyError, OSError, ImportError) as error:
        raise TrackingError(f"MLflow at {hidden(where.uri)}: {line(error, where.uri)}") from error


def _prepare() -> None:
    for setting, value in _SETTINGS.items():
        os.environ.setdefault(setting, value)
    import mlflow  # noqa: F401  (importing it sets its loggers' levels)

    # MLflow prints the traceback of every database error that it also raises.
    logging.getLogger("mlflow").setLevel(logging.CRITICAL)
    logging.getLogger("alembic").setLevel(logging.WARNING)


def line(problem: object, uri: str | None = None) -> str:
    """The first line of a text, without what is secret in it or in ``uri``."""
    text = hidden(next(iter(str(problem).splitlines()), ""))
    for password in _passwords(uri) if uri else ():
        text = text.replace(password, "***")
    return text[:300]


def hidden(text: str) -> str:
    """The text without users' names and passwords in addresses."""
    return _SECRETS.sub(r"\1***", _CREDENTIALS.sub("//***@", text))


def _passwords(uri: str) -> set[str]:
    try:
        password = urlsplit(uri).password or ""
    except ValueError:
        return set()
    return {password, unquote(password)} - {""}
