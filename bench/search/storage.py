"""Where Optuna keeps a study."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import BenchError

if TYPE_CHECKING:
    import optuna


def open_storage(url: str | None, path: Path) -> optuna.storages.BaseStorage:
    """The journal file at ``path``. Raises BenchError for a URL."""
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

    if url is not None:
        raise BenchError("search.storage: only the journal file is there yet; leave it null")
    path.parent.mkdir(parents=True, exist_ok=True)
    return JournalStorage(JournalFileBackend(str(path), lock_obj=JournalFileOpenLock(str(path))))
