"""What an ingest may be given: a folder or a manifest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from milvus_hash.manifest.folder import read_folder
from milvus_hash.manifest.reading import read_manifest
from milvus_hash.record import Record, Reject


def read_source(path: Path | str, *, left_out: Counter[str] | None = None) -> Iterator[Record | Reject]:
    """The records of a manifest or of a folder.

    Args:
        path: The manifest or the folder; ``-`` for JSON Lines on standard input.
        left_out: Counts what of a folder was left out, by suffix or in words.

    Raises:
        InputError: As :func:`read_manifest` and :func:`read_folder`.
    """
    return read_folder(path, left_out=left_out) if Path(path).is_dir() else read_manifest(path)
