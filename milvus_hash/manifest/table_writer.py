"""Write rows as CSV, JSON Lines or Parquet: to a temporary file first, so that a reader never sees half of one."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from milvus_hash.errors import InputError
from milvus_hash.extras import require
from milvus_hash.manifest.csv_lines import LISTS, join_list
from milvus_hash.manifest.tables import SUFFIXES

_GROUP = 4096  # rows of a Parquet row group


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> int:
    """Write ``rows`` to ``path`` in the format of its suffix and return their number.

    CSV and Parquet need all columns before the first row, so the rows are put down as JSON Lines beside ``path``
    first: memory stays flat, whatever their number.

    Raises:
        InputError: Another suffix, a value that the format cannot hold, or the file cannot be written.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"cannot write {path}: the suffix of a manifest must be one of {', '.join(SUFFIXES)}")
    try:
        with _replacing(path) as part:
            if suffix == ".jsonl":
                return _write_jsonl(part, rows, {})
            with _replacing(part, keep=False) as spool:
                columns: dict[str, set[str]] = {}
                count = _write_jsonl(spool, rows, columns)
                (_write_csv if suffix == ".csv" else _write_parquet)(part, _read_back(spool), columns)
            return count
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error


@contextmanager
def _replacing(path: Path, *, keep: bool = True) -> Iterator[Path]:
    """A new file beside ``path`` that takes its place at the end; after an error, or without ``keep``, it goes."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        if keep:
            part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _write_jsonl(path: Path, rows: Iterable[Mapping[str, Any]], columns: dict[str, set[str]]) -> int:
    """Write the rows and collect in ``columns`` which kinds of value each column holds."""
    count = 0
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for row in rows:
            try:
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
            except (TypeError, ValueError) as error:
                raise InputError(f"row {count + 1} ({row.get('id')!r}) cannot be written: {error}") from error
            for name, value in row.items():
                columns.setdefault(name, set()).add(_kind(value))
            count += 1
    return count


def _read_back(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8", newline="\n") as file:
        for line in file:
            yield json.loads(line)


def _write_csv(path: Path, rows: Iterable[dict[str, Any]], columns: Mapping[str, object]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)  # ends lines with CR LF as RFC 4180 does; with LF alone it would not quote a CR
        writer.writerow(columns)
        for row in rows:
            writer.writerow([_csv_cell(name, row.get(name)) for name in columns])


def _csv_cell(name: str, value: object) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return join_list(value) if name in LISTS and isinstance(value, list) else json.dumps(value, ensure_ascii=False)


def _write_parquet(path: Path, rows: Iterator[dict[str, Any]], columns: Mapping[str, set[str]]) -> None:
    arrow = require("pyarrow", "parquet")
    parquet = require("pyarrow.parquet", "parquet")
    schema = arrow.schema([(name, _arrow_type(arrow, name, kinds)) for name, kinds in columns.items()])
    with parquet.ParquetWriter(path, schema) as writer:
        while group := list(islice(rows, _GROUP)):
            try:
                writer.write_table(arrow.Table.from_pylist(group, schema=schema))
            except (arrow.ArrowException, OverflowError) as error:
                raise InputError(f"rows cannot be written as Parquet ({error}); write .jsonl instead") from error


def _kind(value: object) -> str:
    """The name of the Arrow type that holds ``value``, ``list`` for a list of strings, ``mixed`` for anything else."""
    if isinstance(value, list):
        return "list" if all(isinstance(entry, str) for entry in value) else "mixed"
    return {bool: "bool_", int: "int64", float: "float64", str: "string", type(None): "null"}.get(type(value), "mixed")


def _arrow_type(arrow: Any, name: str, kinds: set[str]) -> Any:  # noqa: ANN401 (pyarrow has no types)
    found = kinds - {"null"}
    if name in LISTS:
        found = {"list"}
    elif not found:
        found = {"string"}
    elif found == {"int64", "float64"}:
        found = {"float64"}
    if len(found) > 1 or found == {"mixed"}:
        raise InputError(
            f"column {name!r} holds {', '.join(sorted(found))}; Parquet needs one type: write .jsonl instead"
        )
    kind = found.pop()
    return arrow.list_(arrow.string()) if kind == "list" else getattr(arrow, kind)()
