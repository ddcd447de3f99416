"""Data sets in their own public layouts: each function turns one into the records of a manifest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from milvus_hash.record import Record
from milvus_hash_export.datasets.openclipart import openclipart

__all__ = ["DATASETS", "openclipart"]

DATASETS: Mapping[str, Callable[[Path], Iterator[Record]]] = {"openclipart": openclipart}
