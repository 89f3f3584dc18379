"""Embeddings in a Parquet file; the one place that imports pyarrow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import psutil

from bench.errors import DataError

Array = npt.NDArray[Any]


def read_parquet(path: Path) -> tuple[tuple[str, ...], Array]:
    """Names (N) and embeddings (N, d): one column of text, and one of lists of numbers or else floats in every other.

    Raises DataError for other columns, lists that differ in length, empty fields, and what does not fit into memory.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise DataError(f"{path}: reading it needs pyarrow: python -m pip install pyarrow") from None
    with pq.ParquetFile(path) as file:
        groups = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
        values = sum(group.column(i).num_values for group in groups for i in range(group.num_columns))
        check_memory(8 * values, str(path))
        table = file.read().combine_chunks()
    kinds = {field.name: field.type for field in table.schema}
    found = ", ".join(f"{name} {kind}" for name, kind in kinds.items())
    text = [name for name, kind in kinds.items() if pa.types.is_string(kind) or pa.types.is_large_string(kind)]
    lists = [
        n
        for n, k in kinds.items()
        if pa.types.is_list(k) or pa.types.is_large_list(k) or pa.types.is_fixed_size_list(k)
    ]
    numbers = [name for name, kind in kinds.items() if pa.types.is_floating(kind)]
    if len(text) != 1 or len(table.column_names) != len(kinds):
        raise DataError(f"{path}: needs one column of text, the names; its columns: {found}")
    if len(lists) == 1:
        rows = _lists(table.column(lists[0]).combine_chunks(), path)
    elif not lists and numbers and len(numbers) + 1 == len(kinds):
        rows = np.stack([_numbers(table.column(name).combine_chunks(), path) for name in numbers], axis=1)
    else:
        raise DataError(
            f"{path}: beside the names, needs one column of lists of numbers, or floats in every other column; "
            f"its columns: {found}"
        )
    return tuple(_without_nulls(table.column(text[0]), path).to_pylist()), rows


def _lists(column: Any, path: Path) -> Array:
    """(N, d) of N lists that have one length."""
    import pyarrow.compute as pc

    lengths = pc.unique(pc.list_value_length(_without_nulls(column, path))).to_pylist()
    if len(lengths) != 1:
        raise DataError(f"{path}: embeddings differ in length: {', '.join(map(str, sorted(lengths)[:5]))}")
    return _numbers(column.flatten(), path).reshape(-1, lengths[0])


def _numbers(column: Any, path: Path) -> Array:
    array: Array = _without_nulls(column, path).to_numpy(zero_copy_only=False)
    return array


def _without_nulls(column: Any, path: Path) -> Any:
    if column.null_count:
        raise DataError(f"{path}: {column.null_count} empty fields")
    return column


def check_memory(needed: int, where: str) -> None:
    """Raises DataError where so many bytes are not free."""
    available = psutil.virtual_memory().available
    if needed > available:
        raise DataError(f"{where}: needs {needed / 2**30:,.1f} GiB, {available / 2**30:,.1f} GiB are free")
