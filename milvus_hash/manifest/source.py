"""What an ingest may be given: a folder, a manifest, or a data frame with the columns of one."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from milvus_hash.errors import InputError
from milvus_hash.manifest.folder import read_folder
from milvus_hash.manifest.frame import is_frame
from milvus_hash.manifest.reading import read_frame, read_manifest
from milvus_hash.manifest.tables import STDIN
from milvus_hash.media.files import check_place
from milvus_hash.record import Record, Reject

if TYPE_CHECKING:
    from pandas import DataFrame


def read_source(source: Path | str | DataFrame, *, left_out: Counter[str] | None = None) -> Iterator[Record | Reject]:
    """The records of a manifest, of a folder, or of a pandas data frame with the columns of a manifest.

    Args:
        source: The manifest or the folder; ``-`` for JSON Lines on standard input. The files that a data frame names
            are relative to the working directory, its NaN, NaT and NA are empty cells, and its index is the column
            ``id`` if that is its name.
        left_out: Counts what of a folder was left out, by suffix or in words.

    Raises:
        InputError: As :func:`read_manifest` and :func:`read_folder`, or it is neither.
    """
    if is_frame(source):
        return read_frame(source)
    if not isinstance(source, (str, os.PathLike)):
        made = (
            "its to_pandas() makes one" if hasattr(source, "to_pandas") else "records of your own are added as they are"
        )
        raise InputError(
            f"a folder, a manifest or a pandas DataFrame is needed, not a {type(source).__name__} of "
            f"{type(source).__module__.partition('.')[0]}; {made}"
        )
    check_place(os.fspath(source), "file")
    path = Path(source)
    if path != STDIN and not os.path.lexists(path):
        raise InputError(f"{source} does not exist in {Path.cwd()}: name a folder, or a manifest")
    return read_folder(path, left_out=left_out) if path.is_dir() else read_manifest(path)
