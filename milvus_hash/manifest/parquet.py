"""Rows of a Parquet file, a few at a time where they may turn out large; a broken row group costs itself.

A file of some kilobytes can hold gigabytes: a long text that stands once in a dictionary and is meant by a thousand
rows, a list of a billion zeros. So what a batch may take is reckoned before it is unpacked, and what it takes before
it becomes Python objects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from milvus_hash.extras import require
from milvus_hash.manifest.line import MAX_ROW, TOO_LONG, Line, Unreadable, check_header

_ROWS = 1024  # of a batch
_BATCH = 128 << 20  # bytes that a batch may take
_COLUMN = 1 << 30  # bytes that a column of a row group may take if it is packed more tightly than data ever are
_PACKED = 100  # times


def read_parquet(path: Path, check: Callable[[Sequence[str]], None]) -> Iterator[Line]:
    """The rows of ``path`` in order; rows that cannot be read together are one line with an error.

    Args:
        path: The file.
        check: Called with the names of the columns before the first row.

    Raises:
        Unreadable: It is no Parquet file, its header cannot be used, or ``check`` raised.
    """
    arrow = require("pyarrow", "parquet")
    parquet = require("pyarrow.parquet", "parquet")
    try:
        about = parquet.read_metadata(path)
        groups = [about.row_group(number) for number in range(about.num_row_groups)]
        schema = parquet.read_schema(path)
        file = parquet.ParquetFile(path, metadata=about, read_dictionary=_repeating(groups))
    except arrow.ArrowException as error:
        raise Unreadable(f"it is no Parquet file that can be read: {error}") from error
    with file:
        check_header(file.schema_arrow.names)
        check(file.schema_arrow.names)
        start = 0
        for number, group in enumerate(groups):
            row, end = start, start + group.num_rows
            problem = _bomb(group)
            try:
                for batch in () if problem else file.iter_batches(_rows_at_once(group), row_groups=[number]):
                    for cells in _batch_rows(batch, schema):
                        row += 1
                        yield Line(row, error=cells) if isinstance(cells, str) else Line(row, cells)
            except (arrow.ArrowException, OSError) as error:
                problem = str(error)
            if row < end:
                yield Line(row + 1, error=f"rows {row + 1} to {end} cannot be read: {problem or 'they are missing'}")
            start = end


def _columns(group: Any) -> Iterator[Any]:  # noqa: ANN401 (pyarrow has no types)
    return (group.column(number) for number in range(group.num_columns))


def _repeating(groups: Sequence[Any]) -> list[str]:
    """Columns of lists whose entries may be long and many: to be read as dictionaries, which they are in the file."""
    found = {
        column.path_in_schema
        for group in groups
        for column in _columns(group)
        if column.physical_type == "BYTE_ARRAY"
        and column.num_values > group.num_rows
        and column.num_values * column.total_uncompressed_size > _BATCH
    }
    return sorted(found)


def _bomb(group: Any) -> str:  # noqa: ANN401
    """Why the row group is not unpacked; empty if it may be."""
    for column in _columns(group):
        size = max(column.total_uncompressed_size, column.num_values * 8 if column.num_values > group.num_rows else 0)
        if size > _COLUMN and size > _PACKED * column.total_compressed_size:
            return (
                f"column {column.path_in_schema!r} takes {size:,} bytes unpacked, and {_COLUMN:,} are unpacked at most"
            )
    return ""


def _rows_at_once(group: Any) -> int:  # noqa: ANN401
    """Rows of a batch that stays below ``_BATCH`` bytes even if each has the longest text that the columns can hold."""
    row: int = sum(
        column.total_uncompressed_size
        for column in _columns(group)
        if column.physical_type == "BYTE_ARRAY" and set(column.encodings) - {"PLAIN", "RLE", "BIT_PACKED"}
    )
    return max(1, min(_ROWS, _BATCH // max(1, row)))


def _batch_rows(batch: Any, schema: Any) -> Iterator[dict[str, Any] | str]:  # noqa: ANN401
    """Rows of a record batch; a row that Python cannot hold (bad UTF-8, a far date), or too large, is the reason."""
    if _size(batch) <= MAX_ROW:
        try:
            rows = _plain(batch, schema).to_pylist()
        except Exception:  # Arrow raises what its conversions happen to raise: one after the other, then
            rows = None
        if rows is not None:
            yield from rows
            return
    for index in range(batch.num_rows):
        one = batch.slice(index, 1)
        try:
            row: dict[str, Any] | str = TOO_LONG
            if _size(one) <= MAX_ROW:  # casting a slice would write out what lies before it, too
                row = _plain(batch.take([index]), schema).to_pylist()[0]
        except Exception as error:
            row = f"has a value that cannot be read: {error}"
        yield row


def _plain(batch: Any, schema: Any) -> Any:  # noqa: ANN401
    """A small batch without the dictionaries it was read with: Python objects are made a hundred times faster then."""
    return batch if batch.schema.equals(schema) else batch.cast(schema)


def _size(array: Any) -> int:  # noqa: ANN401
    """Bytes that an array or batch takes once each value is written out."""
    from pyarrow import compute, types

    kind = getattr(array, "type", None)
    if kind is None:
        return sum(map(_size, array.columns))
    if types.is_dictionary(kind) and (types.is_string(kind.value_type) or types.is_binary(kind.value_type)):
        return compute.sum(compute.binary_length(array.dictionary).take(array.indices)).as_py() or 0
    if types.is_struct(kind):
        return sum(map(_size, array.flatten()))
    if types.is_nested(kind) and hasattr(array, "flatten"):
        return _size(array.flatten())
    return int(array.nbytes)
