"""pymilvus: its names come from here, because importing it straight fails where ``MILVUS_URI`` is a local file.

The import takes the better part of a second, so it stands in the functions that need it.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module

from milvus_hash.store.quiet import heed

# What pymilvus reads when it is imported, for a default connection of its ORM that this package has no use for. It
# fails at all but HTTP addresses of servers; these values, and no .env file, do no harm.
_HARMLESS = {
    "MILVUS_URI": "",
    "MILVUS_DEFAULT_CONNECTION": "",
    "MILVUS_CONN_TIMEOUT": "10",
    "PYTHON_DOTENV_DISABLED": "1",
}


def _load() -> None:
    """Import pymilvus as it is and, if that fails for the environment's sake, once more with harmless values.

    So a variable that pymilvus can use reaches it, and the environment is afterwards as the process had it.
    """
    try:
        import_module("pymilvus")
        return
    except ImportError:
        raise
    except Exception:
        pass
    for name in [name for name in sys.modules if name.partition(".")[0] == "pymilvus"]:
        del sys.modules[name]
    found = {name: os.environ.get(name) for name in _HARMLESS}
    os.environ.update(_HARMLESS)
    try:
        import_module("pymilvus")
    finally:
        for name, value in found.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


_load()

from pymilvus import (  # noqa: E402
    AnnSearchRequest,
    AsyncMilvusClient,
    CollectionSchema,
    DataType,
    MilvusClient,
    MilvusException,
)

heed()

__all__ = ["AnnSearchRequest", "AsyncMilvusClient", "CollectionSchema", "DataType", "MilvusClient", "MilvusException"]
