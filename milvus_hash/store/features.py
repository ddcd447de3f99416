"""What the Milvus at the other end can do, as far as looking tells: nothing is written to find out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.metadata import version

from milvus_hash.errors import StoreError
from milvus_hash.store.connection import Connection

_BY_VERSION = {
    "hybrid search": (2, 4, 0),
    "filter templates": (2, 5, 0),
    "HNSW on codes": (2, 6, 4),
}
"""Versions from which Milvus documents a feature, or its sources have it."""

_NONE_ON_LITE = ("filter templates", "HNSW on codes")


@dataclass(frozen=True, slots=True)
class Feature:
    """One thing that this Milvus can do or cannot.

    Attributes:
        name: Of the feature.
        there: Whether it can.
        tried: Whether that was tried; else it is what the version's documents say.
    """

    name: str
    there: bool
    tried: bool


def server_version(connection: Connection) -> str:
    """Name and version of what answers, for instance ``Milvus Lite 2.5.2rc1`` or ``Milvus v2.3.5``.

    Raises:
        StoreError: It does not answer.
    """
    if connection.lite:  # cannot tell
        return f"Milvus Lite {version('milvus-lite')}"
    return f"Milvus {connection.call('asking for the version', 'get_server_version')}"


def features(connection: Connection, version: str) -> tuple[Feature, ...]:
    """What this Milvus can do; ``version`` as :func:`server_version` gives it.

    Lists are asked for to see whether there are aliases, databases and users: without the right to see them, they
    count as missing. What could only be tried by writing goes by the version; a server without a version number
    (Zilliz Cloud) is left out there.
    """
    looks = {"aliases": "list_aliases", "databases": "list_databases", "users": "list_users"}
    tried = tuple(Feature(name, _answers(connection, method), tried=True) for name, method in looks.items())
    if connection.lite:
        return (*tried, *(Feature(name, there=name not in _NONE_ON_LITE, tried=False) for name in _BY_VERSION))
    found = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", version)
    if found is None:
        return tried
    number = tuple(int(part or 0) for part in found.groups())
    return (*tried, *(Feature(name, number >= since, tried=False) for name, since in _BY_VERSION.items()))


def _answers(connection: Connection, method: str) -> bool:
    try:
        connection.call("looking for what there is", method)
    except StoreError:
        return False
    return True
