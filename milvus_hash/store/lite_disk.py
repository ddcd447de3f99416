"""What Milvus Lite keeps to itself: whether the disk has room for a batch, and whether a batch is in the file.

An upsert of Milvus Lite 2 deletes the old rows, then inserts the new ones, each in a transaction of SQLite's; it does
not look whether the second one succeeded, and goes on with what it has in memory. So on a full disk rows that were
there would be gone and the new ones not there, without an error. Here the room is looked at before a batch is sent, and
the file after it. Milvus Lite 3 tells, and has a folder; of that the room is looked at, too.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import closing
from errno import EDQUOT, EFBIG, EINVAL, ENOSPC, EOPNOTSUPP
from pathlib import Path
from typing import Any

from milvus_hash.errors import StoreError
from milvus_hash.store.target import CODE

_ROW_BYTES = 256  # names and lengths that the file repeats in every row
_JOURNAL_BYTES = 8192  # of pages that SQLite sets aside to delete one row, at most
_FLOATS_BYTES = 32  # of Milvus Lite 3 for a byte of a code; they are in its log, and then beside the rows
_WAITING_BYTES = 2_000_000  # what it may have in its log, and stores together with the next rows
SPARE = 65_536
"""Bytes that anything new takes beside its rows."""

_LOOKING_SECONDS = 2.0  # many times what SQLite takes to write the pages of a transaction
_PAUSE_SECONDS = 0.01
_FULL = (ENOSPC, EDQUOT, EFBIG)
_CANNOT_RESERVE = (EINVAL, EOPNOTSUPP)

writing: defaultdict[Path, threading.Lock] = defaultdict(threading.Lock)
"""Held from before a batch is sent until the file has been looked at: one at a time per file."""


def check_room(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Refuse a batch that cannot be written for certain; what it replaces is needed twice for a moment.

    Args:
        path: The file.
        rows: The batch, as pymilvus takes it; none for a new collection.

    Raises:
        StoreError: The disk, a quota or a limit on the size of files leaves too little, or the file is gone.
    """
    growth = 2 * _size(rows) + _ROW_BYTES * len(rows)
    if path.is_dir():
        growth += _WAITING_BYTES + 2 * _FLOATS_BYTES * sum(len(row[CODE]) for row in rows)
    try:
        there = path.stat().st_size
        needed = max(growth, min(there, _JOURNAL_BYTES * len(rows))) + SPARE
        full = not (_may_grow(there + growth) and is_free(path.parent, needed))
    except OSError as error:
        raise StoreError(
            f"{str(path)!r} cannot be written any more: {error.strerror}; was it moved, or its disk taken away?"
        ) from None
    if full:
        raise StoreError(
            f"no room for {f'{len(rows):,} more rows' if rows else 'a collection'} in {str(path)!r}, which takes up "
            f"to {needed / 1e6:,.1f} MB meanwhile: nothing was written, and what was there is as it was; free some "
            "space, or raise the quota, and try again"
        )


def has_room(path: Path, rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether :func:`check_room` finds nothing."""
    try:
        check_room(path, rows)
    except StoreError:
        return False
    return True


def is_stored(path: Path, collection: str, key: object) -> bool:
    """Whether the file has a row of this primary key; the latest rows are looked at first.

    The file is read as it lies there, without SQLite's locks, so that Milvus Lite is never refused its own. While it
    writes for somebody else the file may be half old and half new: one look that finds nothing proves nothing.
    """
    last_look = time.monotonic() + _LOOKING_SECONDS
    while not _has_row(path, collection, key):
        if time.monotonic() > last_look:
            return False
        time.sleep(_PAUSE_SECONDS)
    return True


def _has_row(path: Path, collection: str, key: object) -> bool:
    select = f'SELECT 1 FROM "{collection}" WHERE milvus_id = ? ORDER BY id DESC LIMIT 1'
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?immutable=1", uri=True)) as file:
            return file.execute(select, (str(key),)).fetchone() is not None
    except sqlite3.Error:  # being written, or removed, truncated or overwritten by something else
        return False


def is_free(folder: Path, size: int = SPARE) -> bool:
    """Whether so many bytes can be had in ``folder``: reserved for a moment, because quotas show in no figure."""
    if not hasattr(os, "posix_fallocate"):  # macOS
        return shutil.disk_usage(folder).free >= size
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            os.posix_fallocate(file.fileno(), 0, size)
    except OSError as error:
        if error.errno not in (*_FULL, *_CANNOT_RESERVE):
            raise
        return error.errno in _CANNOT_RESERVE
    return True


def _size(rows: Sequence[Mapping[str, Any]]) -> int:
    """Bytes of a batch, about."""
    return len(json.dumps(rows, ensure_ascii=False, default=repr).encode("utf-8", "replace"))


def _may_grow(size: int) -> bool:
    """Whether this process, and so its Milvus Lite, may write a file of so many bytes."""
    if sys.platform == "win32":
        return True
    import resource

    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    return limit == resource.RLIM_INFINITY or size <= limit
