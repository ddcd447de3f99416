"""One hit an item: an image with five captions, a video with many frames.

Milvus cannot group by a field when the vectors are binary, so rows are fetched until enough items are among them.
Rows come nearest first: the items of the rows so far are the nearest items, and each one's first row is its nearest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from milvus_hash.codes import Codes
from milvus_hash.errors import StoreError
from milvus_hash.query.filters import both
from milvus_hash.query.hits import Hit
from milvus_hash.query.nearest import nearest
from milvus_hash.query.rows import of_other_items
from milvus_hash.query.scope import MAX_LIMIT, Row, Scope
from milvus_hash.query.within import complete_nearest
from milvus_hash.store.call import Steps
from milvus_hash.store.schema import split_key
from milvus_hash.store.target import Target

Fetch: TypeAlias = Callable[..., Steps[list[list[Row]]]]

_GROWTH = 4  # rows fetched at first for each item, and how many times more the next time


def first_of_each_item(hits: Iterable[Hit]) -> list[Hit]:
    """The first hit of each item, in their order."""
    first: dict[str, Hit] = {}
    for hit in hits:
        first.setdefault(hit.item, hit)
    return list(first.values())


def nearest_items(
    target: Target, codes: Codes, scope: Scope, *, limit: int, complete: bool = False
) -> Steps[list[list[Row]]]:
    """Rows of the ``limit`` nearest items to each of ``codes`` uint8 ``(q, bits // 8)``, nearest first.

    Each item's nearest row is among them; with ``complete`` so are all other rows at the distance of the last item.
    Ever more rows are fetched until they are of ``limit`` items or are all there are. Once 16,384 rows are of
    fewer items, the rest is searched without these items.

    Raises:
        StoreError: Milvus failed, or the index cannot be made exact, as ``complete`` needs.
    """
    fetch: Fetch = complete_nearest if complete else nearest
    found: list[list[Row]] = [[] for _ in codes]
    waiting = np.arange(len(codes))
    asked = min(limit * _GROWTH, MAX_LIMIT)
    while len(waiting):
        answers = yield from fetch(target, codes[waiting], scope, limit=asked)
        for query, rows in zip(waiting, answers, strict=True):
            found[query] = rows
        waiting = np.array([query for query in waiting if len(found[query]) >= asked and _items(found[query]) < limit])
        if asked == MAX_LIMIT:
            break
        asked = min(asked * _GROWTH, MAX_LIMIT)
    for query in waiting:
        known = {_item(row) for row in found[query]}
        found[query] += yield from _other_items(fetch, target, codes[query : query + 1], scope, known, limit)
    return found


def _other_items(
    fetch: Fetch, target: Target, code: Codes, scope: Scope, known: set[str], limit: int
) -> Steps[list[Row]]:
    """The nearest rows of other items than ``known``, until there are ``limit`` items in all."""
    more: list[Row] = []
    while len(known) < limit:
        others = both(of_other_items(known, lite=target.lite), scope.where)
        (rows,) = yield from fetch(target, code, replace(scope, where=others), limit=MAX_LIMIT)
        if again := known.intersection(map(_item, rows)):
            raise StoreError(f"{target.name!r}: a search without the item {min(again)!r} found it all the same")
        more += rows
        known |= {_item(row) for row in rows}
        if len(rows) < MAX_LIMIT:
            break
    return more


def _item(row: Row) -> str:
    return split_key(str(row.pk))[0]


def _items(rows: Iterable[Row]) -> int:
    return len({_item(row) for row in rows})
