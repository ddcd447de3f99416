"""A manifest to records, and records to a manifest."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from milvus_hash.arguments import check_path
from milvus_hash.errors import InputError
from milvus_hash.inside import Inside
from milvus_hash.manifest.cells import check_id, clean, is_empty, number_as_text, shown, to_path, to_strings
from milvus_hash.manifest.frame import frame_rows
from milvus_hash.manifest.json_value import json_value
from milvus_hash.manifest.line import Line
from milvus_hash.manifest.table_writer import write_rows
from milvus_hash.manifest.tables import STDIN, read_rows
from milvus_hash.media.modalities import FILES, OF_SUFFIX
from milvus_hash.record import Record, Reject, path_of

if TYPE_CHECKING:
    from pandas import DataFrame

SPLITS = ("train", "val", "query", "database")
_MEDIA = (*FILES, "file_name", "text")
_COLUMNS = ("id", *_MEDIA, "labels", "split")
_NAMED = 20  # columns in a message


def read_manifest(path: Path | str) -> Iterator[Record | Reject]:
    r"""The records of a manifest, in order; a row that cannot be used is a :class:`Reject` in its place.

    The file is streamed: of rows that have passed, only the ids are kept, to find the one that comes twice. ``-`` is
    JSON Lines on standard input, with paths relative to the working directory.

    Raises:
        InputError: When the first row is asked for: the file cannot be read, is empty or lacks a column. A JSON Lines
            file has no header, so there a column that no row has is reported at the end.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "manifest.csv"
        >>> _ = path.write_text("id,text,labels\n1,a red bus,bus|red\n1,again,\n")
        >>> [type(row).__name__ for row in read_manifest(path)]
        ['Record', 'Reject']
    """
    return read_table(Path(path))


def read_table(
    path: Path, *, prefix: str = "", within: Inside | None = None, taken: Collection[str] = ()
) -> Iterator[Record | Reject]:
    """The records of a manifest that may belong to a folder.

    Args:
        path: The manifest.
        prefix: What ids begin with that are taken from file names.
        within: Where its files must lie; anywhere when absent.
        taken: Ids that other manifests of the folder have given.

    Raises:
        InputError: As :func:`read_manifest`.
    """
    implicit_id = path.stem == "metadata"
    lines = read_rows(path, lambda names: _check_columns(path, names, implicit_id=implicit_id))
    return _records(lines, path, implicit_id=implicit_id, prefix=prefix, within=within, taken=taken)


def read_frame(frame: DataFrame) -> Iterator[Record | Reject]:
    """The records of a data frame with the columns of a manifest; files are relative to the working directory.

    Raises:
        InputError: When the first row is asked for: it has no rows, lacks a column, or has one twice.
    """
    path = Path("the data frame")
    return _records(frame_rows(frame, lambda names: _check_columns(path, names, implicit_id=False)), path)


def _records(
    lines: Iterable[Line],
    path: Path,
    *,
    implicit_id: bool = False,
    prefix: str = "",
    within: Inside | None = None,
    taken: Collection[str] = (),
) -> Iterator[Record | Reject]:
    """The records of the rows of the table that messages call ``path``; files are relative to its folder."""
    base = Path(os.path.abspath(path)).parent  # noqa: PTH100 (resolve() would follow links)
    seen: dict[str, int] = {}
    columns: dict[str, None] = {}  # some of those that rows had: the first ones, and all that are looked for
    number = 0
    for line in lines:
        number = line.number
        columns.update(dict.fromkeys(islice(line.cells, _NAMED - len(columns)) if len(columns) < _NAMED else ()))
        columns.update(dict.fromkeys(name for name in _COLUMNS if name in line.cells))
        identifier = ""
        try:
            if line.error:
                raise InputError(line.error)
            identifier = _identifier(line.cells, prefix, implicit_id=implicit_id)
            record = _record(identifier, line.cells, base, within)
            if identifier in seen:
                raise InputError(f"the id is already taken by row {path.name}:{seen[identifier]}")
            if identifier in taken:
                raise InputError("the id is already taken by a row of another metadata file of the folder")
        except InputError as error:
            yield Reject(identifier, f"{path}:{number}", str(error))
        else:
            seen[identifier] = number
            yield record
    if not number:
        raise InputError(
            f"{'standard input' if path == STDIN else path} has no rows; is it the right one, and complete?"
        )
    if columns:
        _check_columns(path, columns, implicit_id=implicit_id)


def write_manifest(path: Path | str, records: Iterable[Record]) -> int:
    """Write ``records`` as a manifest in the format of the suffix of ``path`` and return their number.

    Paths below the manifest's folder are written relative to it, all others absolute. The file appears when it is
    complete.

    Raises:
        InputError: Another suffix, metadata under the name of a column, or a value that the format cannot hold.
    """
    check_path("path", path)
    path = Path(path)
    base = Path(os.path.abspath(path)).parent  # noqa: PTH100
    records = [records] if isinstance(records, Record) else records
    return write_rows(path, (_row(record, base) for record in records))


def _check_columns(path: Path, columns: Collection[str], *, implicit_id: bool) -> None:
    more = ", ..." if len(columns) > _NAMED else ""
    found = f"it has {', '.join(map(shown, islice(columns, _NAMED)))}{more}"
    if not implicit_id and "id" not in columns:
        raise InputError(f"{path} has no column 'id': {found}; {_renaming(columns, 'the ids', repr('id'))}")
    if not set(_MEDIA) & set(columns):
        raise InputError(
            f"{path} has none of the columns {', '.join(map(repr, _MEDIA))}: {found}; "
            + _renaming(columns, "the pictures, clips or texts", "one of them")
        )


def _renaming(columns: Collection[str], what: str, name: str) -> str:
    """What to do about columns with other names."""
    if len(columns) == 1 and (mark := next((mark for mark in ";\t|" if mark in next(iter(columns))), "")):
        return f"cells are separated by commas, and here by {mark!r}: save it with commas"
    return f"rename the one with {what} to {name}"


def _identifier(cells: Mapping[str, Any], prefix: str, *, implicit_id: bool) -> str:
    value = cells.get("id")
    if implicit_id and is_empty(value):
        value = next((cells[name] for name in ("file_name", *FILES) if not is_empty(cells.get(name))), None)
        value = prefix + value if isinstance(value, str) else value
    return check_id(number_as_text(value))


def _record(identifier: str, cells: Mapping[str, Any], base: Path, within: Inside | None) -> Record:
    files = {name: to_path(name, cells.get(name), base, within) for name in FILES}
    if named := to_path("file_name", cells.get("file_name"), base, within):
        modality = OF_SUFFIX.get(Path(named).suffix.lower(), "image")
        if files[modality]:
            raise InputError(f"has both {modality!r} and 'file_name', which mean the same; keep one")
        files[modality] = named
    splits = tuple(dict.fromkeys(to_strings("split", cells.get("split")))) or ("database",)
    if unknown := set(splits) - set(SPLITS):
        raise InputError(f"split is {shown(sorted(unknown))}; only {', '.join(SPLITS)} are allowed")
    texts = to_strings("text", cells.get("text"))
    if not any(files.values()) and not texts:
        raise InputError(f"has no {', '.join(FILES)} or text")
    return Record(
        id=identifier,
        **files,
        texts=texts,
        labels=to_strings("labels", cells.get("labels"), numbers=True),
        splits=splits,
        metadata={
            clean("a column's name", name): _metadata(name, value)
            for name, value in cells.items()
            if name not in _COLUMNS and not is_empty(value)
        },
    )


def _metadata(column: str, value: object) -> Any:  # noqa: ANN401 (any JSON value)
    try:
        return json_value(value)
    except InputError as error:
        raise InputError(f"column {shown(column)}: {error}") from error


def _row(record: Record, base: Path) -> dict[str, Any]:
    if not isinstance(record, Record):
        raise InputError(f"a {type(record).__name__} is no record; make one with Record(id, image=..., texts=[...])")
    if taken := set(record.metadata) & set(_COLUMNS):
        raise InputError(f"{record.id!r} has metadata called {sorted(taken)}, which are columns of the manifest")
    row = {
        "id": record.id,
        **{name: _shorten(source, base) for name, source in record.files.items()},
        "text": list(record.texts),
        "labels": list(record.labels),
        "split": list(record.splits),
        **record.metadata,
    }
    return {name: value for name, value in row.items() if not is_empty(value) and value != []}


def _shorten(source: object, base: Path) -> str:
    if not (path := path_of(source)):
        raise InputError(f"a manifest names files; write the {type(source).__name__} that is in memory to one first")
    full = Path(os.path.abspath(path))  # noqa: PTH100
    return full.relative_to(base).as_posix() if full.is_relative_to(base) else str(full)
