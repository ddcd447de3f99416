"""Learned cross-modal binary codes for Milvus: deep hashing networks, ONNX serving, Hamming search.

Names are imported when they are first used, so that ``import milvus_hash`` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from milvus_hash.aliases import Switch, list_aliases, switch_alias
    from milvus_hash.async_collection import AsyncHashCollection
    from milvus_hash.bundle import Bundle, read_bundle, starter_path, write_bundle
    from milvus_hash.collection import CodeRow, HashCollection
    from milvus_hash.encoder import Encoder
    from milvus_hash.errors import (
        BundleError,
        BundleMismatch,
        InputError,
        MilvusHashError,
        MissingExtra,
        ProviderError,
        StoreError,
    )
    from milvus_hash.graph import Encodings
    from milvus_hash.health import Health, examine
    from milvus_hash.ingest import Counts
    from milvus_hash.integrations.pymilvus_model import HashEmbeddingFunction
    from milvus_hash.manifest import read_source, write_manifest
    from milvus_hash.query.frame import to_frame
    from milvus_hash.query.hits import Hit, Hits
    from milvus_hash.query.quoting import quoted
    from milvus_hash.question import Query
    from milvus_hash.record import Record, Reject
    from milvus_hash.sheet import Answer, write_sheet
    from milvus_hash.store.tls import Tls
    from milvus_hash.tuning import Tuning, tune

__version__ = "0.1.0"

_HOME = {
    "Answer": "sheet",
    "AsyncHashCollection": "async_collection",
    "Bundle": "bundle",
    "BundleError": "errors",
    "BundleMismatch": "errors",
    "CodeRow": "collection",
    "Counts": "ingest",
    "Encoder": "encoder",
    "Encodings": "graph",
    "HashCollection": "collection",
    "HashEmbeddingFunction": "integrations.pymilvus_model",
    "Health": "health",
    "Hit": "query.hits",
    "Hits": "query.hits",
    "InputError": "errors",
    "MilvusHashError": "errors",
    "MissingExtra": "errors",
    "ProviderError": "errors",
    "Query": "question",
    "Record": "record",
    "Reject": "record",
    "StoreError": "errors",
    "Switch": "aliases",
    "Tls": "store.tls",
    "Tuning": "tuning",
    "examine": "health",
    "list_aliases": "aliases",
    "quoted": "query.quoting",
    "read_bundle": "bundle",
    "read_source": "manifest",
    "starter_path": "bundle",
    "switch_alias": "aliases",
    "to_frame": "query.frame",
    "tune": "tuning",
    "write_bundle": "bundle",
    "write_manifest": "manifest",
    "write_sheet": "sheet",
}

__all__ = [
    "Answer",
    "AsyncHashCollection",
    "Bundle",
    "BundleError",
    "BundleMismatch",
    "CodeRow",
    "Counts",
    "Encoder",
    "Encodings",
    "HashCollection",
    "HashEmbeddingFunction",
    "Health",
    "Hit",
    "Hits",
    "InputError",
    "MilvusHashError",
    "MissingExtra",
    "ProviderError",
    "Query",
    "Record",
    "Reject",
    "StoreError",
    "Switch",
    "Tls",
    "Tuning",
    "__version__",
    "examine",
    "list_aliases",
    "quoted",
    "read_bundle",
    "read_source",
    "starter_path",
    "switch_alias",
    "to_frame",
    "tune",
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
