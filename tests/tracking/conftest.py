"""MLflow's tables, made once."""

from pathlib import Path

import pytest

from bench.store import Store
from bench.tracking.target import opened, target


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with MLflow's tables and nothing in them."""
    store = Store(tmp_path_factory.mktemp("tables"))
    with opened(store, target(store, None)) as client:
        client.search_experiments()
    return store.root / "mlflow.db"
