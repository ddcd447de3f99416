"""The nearest rows of a batch of codes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from milvus_hash.codes import Codes
from milvus_hash.errors import AnswerTooLarge
from milvus_hash.query.filters import asking, both, rows_of_modality
from milvus_hash.query.scope import MAX_LIMIT, Row, Scope, to_rows
from milvus_hash.query.stored import with_fields
from milvus_hash.store import limits
from milvus_hash.store.call import Call, Steps
from milvus_hash.store.target import CODE, Target


def nearest(
    target: Target, codes: Codes | Sequence[NDArray[np.uint8]], scope: Scope, *, limit: int, offset: int = 0
) -> Steps[list[list[Row]]]:
    """The ``limit`` nearest rows to each of ``codes`` uint8 ``(q, bits // 8)`` after the first ``offset``.

    Rows are ordered by distance; which of several rows at the last distance are among them is up to Milvus.
    """
    found: list[list[Row]] = []
    step = max(1, min(limits.ROWS_FOUND // (limit + offset), limits.BYTES // (target.bits // 8), MAX_LIMIT))
    for start in range(0, len(codes), step):
        data = [code.tobytes() for code in codes[start : start + step]]
        found += yield from search(target, scope, data, search_arguments(target, scope, limit=limit, offset=offset))
    return found


def search(target: Target, scope: Scope, data: Sequence[bytes], arguments: dict[str, Any]) -> Steps[list[list[Row]]]:
    """The rows that a search finds for each code of ``data``, in Milvus' order.

    Where the answer would be too large, the rows come first and their fields afterwards, then fewer questions at once.

    Raises:
        AnswerTooLarge: The keys alone of one question's rows are too much.
        StoreError: Milvus failed.
    """
    doing = asking(scope.filter, "searching")
    names = arguments["output_fields"]
    try:
        answer = yield Call(f"{doing} {target.name!r}", "search", {"data": data, **arguments})
        return [to_rows(rows) for rows in answer]
    except AnswerTooLarge:
        if not names and len(data) == 1:
            raise
    if names:
        found = yield from search(target, scope, data, {**arguments, "output_fields": []})
        return (yield from with_fields(target, found, names))
    half = len(data) // 2
    first = yield from search(target, scope, data[:half], arguments)
    return first + (yield from search(target, scope, data[half:], arguments))


def search_arguments(
    target: Target, scope: Scope, *, limit: int, offset: int = 0, bounds: tuple[int, int] | None = None
) -> dict[str, Any]:
    """Keyword arguments of ``MilvusClient.search``, without ``data``.

    Args:
        target: Where.
        scope: Which rows.
        limit: Most rows per query.
        offset: Rows to leave out before them.
        bounds: Smallest and largest distance of a range search; both are included.
    """
    params = dict(target.params if scope.params is None else scope.params)
    if scope.params is None and "ef" in params:  # a stored one: Milvus refuses to find more rows than it looks at
        params["ef"] = max(params["ef"], limit + offset)
    search_params: dict[str, Any] = {"metric_type": "HAMMING", "params": params}
    if bounds is not None:  # Milvus takes range_filter <= distance < radius, and wants range_filter < radius
        params |= {"range_filter": bounds[0], "radius": bounds[1] + 1}
    if offset:
        search_params["offset"] = offset
    arguments: dict[str, Any] = {
        "collection_name": target.name,
        "anns_field": CODE,
        "filter": both(scope.where, scope.filter),
        "limit": limit,
        "output_fields": list(scope.output_fields),
        "search_params": search_params,
    }
    if scope.modality is not None:
        arguments |= rows_of_modality(target, scope.modality, arguments["filter"])
    if scope.filter_params:
        arguments["filter_params"] = dict(scope.filter_params)
    return arguments
