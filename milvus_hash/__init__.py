"""Learned cross-modal binary codes for Milvus: deep hashing networks, ONNX serving, Hamming search.

Names are imported when they are first used, so that ``import milvus_hash`` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from milvus_hash.bundle import Bundle, read_bundle, starter_path, write_bundle
    from milvus_hash.collection import CodeRow, HashCollection
    from milvus_hash.encoder import Encoder, Encodings
    from milvus_hash.errors import (
        BundleError,
        BundleMismatch,
        InputError,
        MilvusHashError,
        MissingExtra,
        ProviderError,
        StoreError,
    )
    from milvus_hash.ingest import Counts
    from milvus_hash.manifest import read_source, write_manifest
    from milvus_hash.query import Hit
    from milvus_hash.record import Record, Reject
    from milvus_hash.sheet import Answer, write_sheet

__version__ = "0.1.0"

_HOME = {
    "Answer": "sheet",
    "Bundle": "bundle",
    "BundleError": "errors",
    "BundleMismatch": "errors",
    "CodeRow": "collection",
    "Counts": "ingest",
    "Encoder": "encoder",
    "Encodings": "encoder",
    "HashCollection": "collection",
    "Hit": "query",
    "InputError": "errors",
    "MilvusHashError": "errors",
    "MissingExtra": "errors",
    "ProviderError": "errors",
    "Record": "record",
    "Reject": "record",
    "StoreError": "errors",
    "read_bundle": "bundle",
    "read_source": "manifest",
    "starter_path": "bundle",
    "write_bundle": "bundle",
    "write_manifest": "manifest",
    "write_sheet": "sheet",
}

__all__ = [
    "Answer",
    "Bundle",
    "BundleError",
    "BundleMismatch",
    "CodeRow",
    "Counts",
    "Encoder",
    "Encodings",
    "HashCollection",
    "Hit",
    "InputError",
    "MilvusHashError",
    "MissingExtra",
    "ProviderError",
    "Record",
    "Reject",
    "StoreError",
    "__version__",
    "read_bundle",
    "read_source",
    "starter_path",
    "write_bundle",
    "write_manifest",
    "write_sheet",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"milvus_hash.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
