"""Rows of a pandas data frame, as those of a manifest's file."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import numpy as np

from milvus_hash.errors import InputError
from milvus_hash.manifest.json_value import is_missing
from milvus_hash.manifest.line import Line, Unreadable, check_header

if TYPE_CHECKING:
    from pandas import DataFrame


def is_frame(source: object) -> bool:
    """Whether it is a data frame of pandas, which is not imported to find out."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(source, pandas.DataFrame)


def frame_rows(frame: DataFrame, check: Callable[[Sequence[str]], None]) -> Iterator[Line]:
    """The rows of a data frame as those of a manifest's file; missing cells are None, and an index ``id`` is a column.

    Args:
        frame: The data frame.
        check: Called with the names of the columns before the first row.

    Raises:
        InputError: Two columns have one name, or one has none; or ``check`` raised.
    """
    if "id" in frame.index.names and "id" not in frame.columns:
        frame = frame.reset_index()
    names = [str(name) for name in frame.columns]
    try:
        check_header(names)
    except Unreadable as error:
        raise InputError(f"cannot read the data frame: {error}") from error
    check(names)
    for number, cells in enumerate(frame.itertuples(index=False, name=None), 1):
        yield Line(number, dict(zip(names, map(_cell, cells), strict=True)))


def _cell(value: Any) -> Any:  # noqa: ANN401 (whatever a cell holds)
    """A cell as a Parquet file gives it."""
    if is_missing(value):
        return None
    if isinstance(value, np.ndarray | np.generic) and not isinstance(value, np.datetime64 | np.timedelta64):
        return value.tolist()
    return str(value) if isinstance(value, PurePath) else value
