"""Splits that are the same on every machine: an id's sha256 decides, never the order of files or a seed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import TypeAlias

from milvus_hash.errors import InputError

Splits: TypeAlias = "tuple[str, ...]"

QUERY: Splits = ("query",)
TRAIN: Splits = ("database", "train")
REST: Splits = ("database",)

PUBLISHED: dict[str, Splits] = {  # of captioned sets: each caption is to find its own picture among the test pictures
    "train": ("train",),
    "restval": ("train",),
    "val": ("val",),
    "test": ("query", "database"),
}


def is_query(key: str, percent: int) -> bool:
    """Whether ``key`` is among the ``percent`` of all keys that are queries.

    Example:
        >>> [key for key in "abcdefghij" if is_query(key, 20)]
        ['c', 'd', 'f', 'j']
    """
    return int(hashlib.sha256(key.encode()).hexdigest()[:8], 16) * 100 < percent << 32


def draw(ids: Iterable[str], *, query: int, train: int) -> dict[str, Splits]:
    """Split ids as the hashing papers do: ``query`` of them ask, the rest is the database, ``train`` of it trains.

    Those papers draw at random and publish no lists; here the order of the ids' sha256 stands for the draw.

    Raises:
        InputError: There are fewer ids than the split needs.

    Example:
        >>> draw("abc", query=1, train=1)
        {'c': ('query',), 'b': ('database', 'train'), 'a': ('database',)}
    """
    order = sorted(ids, key=lambda key: hashlib.sha256(key.encode()).digest())
    if len(order) < query + train:
        raise InputError(
            f"{len(order):,} items can be used, but the split needs {query:,} queries and {train:,} training items: "
            "is the download complete? Else give smaller numbers as the options query and train"
        )
    return {key: QUERY if rank < query else TRAIN if rank < query + train else REST for rank, key in enumerate(order)}
