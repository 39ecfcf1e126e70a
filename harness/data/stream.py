"""A Parquet file of any length as batches of numpy columns: what accumulators fold, in memory that does not grow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.data.store import require_file
from harness.errors import InputError, nearest

__all__ = ["Progress", "parquet_columns", "stream_parquet"]

Progress = Callable[[int, int], object]
"""Called with (rows done, rows in all) after each batch: what a progress bar shows."""


def stream_parquet(
    path: Path | str, columns: Sequence[str], batch: int = 1_000_000, *, progress: Progress | None = None
) -> Iterator[tuple[NDArray[Any], ...]]:
    """Batches of at most `batch` rows in file order: one array (rows,) for each of `columns`, in their order.

    Numbers and booleans keep their type (decimals become float64), text comes as numpy text. The file is opened, and
    its columns are checked, at the call, not at the first batch. Only the columns asked for are read, a row group at a
    time.

    Args:
        path: A Parquet file.
        columns: Names, at least one.
        batch: Rows, >= 1.
        progress: Told (rows done, rows in all) after each batch has been used.

    Raises:
        InputError: No such file or not Parquet; a column that is not there, or one name for two; a missing value, with
            its row and column; a column that is neither numbers nor text.
    """
    import pyarrow.parquet as pq

    if isinstance(batch, bool) or not isinstance(batch, int) or batch < 1:
        raise InputError("not a count", where="batch", expected="a whole number of at least 1", found=batch)
    if isinstance(columns, str) or not columns:
        raise InputError("no columns", where="columns", expected="at least one name in a list", found=columns)
    file = _opened(Path(path), pq)
    present = _named_once(file, path)
    for name in columns:
        if name not in present:
            near = nearest(name, present)
            raise InputError("no such column", where=path, column=name, expected="a column of the file", hint=near)
    return _batches(file, path, list(columns), batch, progress)


def parquet_columns(path: Path | str) -> list[str]:
    """The names of a Parquet file's columns, in order. InputError as in `stream_parquet`."""
    import pyarrow.parquet as pq

    with _opened(Path(path), pq) as file:
        return _named_once(file, path)


def _named_once(file: Any, path: Path | str) -> list[str]:
    names: list[str] = list(file.schema_arrow.names)
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError("column stands twice", where=path, column=twice, expected="each name once")
    return names


def _opened(path: Path, pq: Any) -> Any:
    import pyarrow as pa

    try:
        return pq.ParquetFile(require_file(path), memory_map=False, pre_buffer=False)
    except FileNotFoundError:
        raise InputError("not readable as Parquet: no such file", where=path) from None
    except (OSError, pa.ArrowException) as error:
        raise InputError("not readable as Parquet", where=path, found=str(error).split("\n", 1)[0]) from None


def _batches(
    file: Any, path: Path | str, columns: list[str], batch: int, progress: Progress | None
) -> Iterator[tuple[NDArray[Any], ...]]:
    done, rows = 0, int(file.metadata.num_rows)
    with file:
        for part in file.iter_batches(batch_size=batch, columns=columns, use_threads=False):
            yield tuple(_plain(part.column(name), path, name, done) for name in columns)
            done += part.num_rows
            if progress is not None:
                progress(done, rows)


def _plain(column: Any, path: Path | str, name: str, start: int) -> NDArray[Any]:
    import pyarrow as pa

    if column.null_count:
        row = start + int(np.argmax(column.is_null().to_numpy(zero_copy_only=False))) + 1
        raise InputError("missing value", where=path, row=row, column=name, expected="a value in every row")
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
        distinct: NDArray[Any] = np.asarray(coded.dictionary.to_pylist(), dtype=np.str_)
        return np.asarray(distinct[coded.indices.to_numpy()])
    if pa.types.is_decimal(kind):
        return np.asarray(column.cast(pa.float64()).to_numpy(zero_copy_only=False))
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
        return np.asarray(column.to_numpy(zero_copy_only=False))
    raise InputError("neither numbers nor text", where=path, column=name, expected="numbers or text", found=str(kind))
