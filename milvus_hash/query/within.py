"""Radius search that loses nothing: every row within a Hamming distance, however many there are.

Milvus returns at most 16,384 rows a search, and its search iterator drops rows that are tied with the last one of a
page; Hamming distances are nearly all ties. So distances are walked in shells. A search that comes back full has
still all rows nearer than its last one; the walk goes on at that distance. A shell that is fuller than a search is
halved by primary key until its parts fit.
"""

from __future__ import annotations

from dataclasses import replace

from milvus_hash.errors import StoreError
from milvus_hash.query.filters import both, quoted
from milvus_hash.query.nearest import search_arguments, search_call
from milvus_hash.query.target import MAX_LIMIT, Row, Scope, Target, to_rows
from milvus_hash.store.call import Steps

EXACT = ("BIN_FLAT", "BIN_IVF_FLAT")
"""Indexes that can look at every row."""


def within(target: Target, code: bytes, scope: Scope, *, least: int = 0, most: int) -> Steps[list[Row]]:
    """Every row whose distance to ``code`` is between ``least`` and ``most``, both included, nearest first.

    Raises:
        StoreError: The index is a graph, which may miss rows.
    """
    if target.index not in EXACT:
        raise StoreError(
            f"{target.name!r} has an index {target.index}, which may miss rows within a radius: "
            "ask for the nearest ones instead, or use an index BIN_FLAT or BIN_IVF_FLAT"
        )
    found: list[Row] = []
    while least <= most:
        rows = yield from _range(target, code, scope, least, most)
        if len(rows) < MAX_LIMIT:
            return found + rows
        last = rows[-1].distance  # all rows nearer than this are there
        found += [row for row in rows if row.distance < last]
        found += yield from _shell(target, code, scope, last)
        least = last + 1
    return found


def _shell(target: Target, code: bytes, scope: Scope, distance: int) -> Steps[list[Row]]:
    """Every row at exactly this distance."""
    rows = yield from _range(target, code, scope, distance, distance)
    if len(rows) < MAX_LIMIT:
        return rows
    middle = sorted((row.pk for row in rows), key=lambda pk: (str(type(pk)), pk))[len(rows) // 2]
    halves: list[Row] = []
    for operator in ("<", ">="):
        part = replace(scope, where=both(f"{target.pk} {operator} {quoted(middle)}", scope.where))
        halves += yield from _shell(target, code, part, distance)
    return halves


def _range(target: Target, code: bytes, scope: Scope, least: int, most: int) -> Steps[list[Row]]:
    exact = replace(scope, params=target.exact_params)
    arguments = search_arguments(target, exact, limit=MAX_LIMIT, bounds=(least, most))
    answer = yield search_call(target, scope, {"data": [code], **arguments})
    return sorted(to_rows(answer[0]), key=lambda row: row.distance)
