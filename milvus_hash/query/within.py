"""Answers that lose nothing: every row within a Hamming distance, and nearest rows with all ties of the last one.

Milvus returns at most 16,384 rows a search, and its search iterator drops rows that are tied with the last one of a
page; Hamming distances are nearly all ties. So:

- On BIN_FLAT a range search that comes back full still has every row nearer than its last one, and the next one
  starts at that distance.
- On BIN_IVF_FLAT a range search ends at the first lists without a hit, and Milvus before 2.4 cannot be told to go on;
  a search for the nearest rows looks at as many lists as it is asked to. So that is what is asked for.
- Rows at one distance, or nearest rows, that are more than a search returns are halved by primary key until they fit.
- Rows have a place in one order, that of distances and among equal ones of primary keys. So what follows a row can be
  asked for by nothing but its place, whatever has been written meanwhile: pages that overlap nowhere and lack nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from milvus_hash.codes import Codes
from milvus_hash.errors import StoreError
from milvus_hash.query.filters import both
from milvus_hash.query.nearest import nearest, search, search_arguments
from milvus_hash.query.quoting import between, is_quotable, quoted
from milvus_hash.query.scope import MAX_LIMIT, Row, Scope
from milvus_hash.query.stored import with_fields
from milvus_hash.store.call import Steps
from milvus_hash.store.target import Key, Target

_FIRST = 1024  # rows first asked for where a search cannot be bounded: more than most radii have, and quick to read
_SPARE = 100  # rows asked for beyond a limit: often all ties are among them, and no second search is needed


def within(target: Target, code: bytes, scope: Scope, *, least: int = 0, most: int) -> Steps[list[Row]]:
    """Every row whose distance to ``code`` is from ``least`` to ``most``, ordered by (distance, primary key).

    Raises:
        StoreError: The index is HNSW or AUTOINDEX, which may miss rows.
    """
    _refuse_inexact(target)
    ranges = target.index == "BIN_FLAT"
    found: list[Row] = []
    parts: list[tuple[int, Key | None, Key | None]] = [(least, None, None)]  # from this distance, between these keys
    while parts:
        least, low, high = parts.pop()
        some = replace(scope, where=both(_between(target, low, high), scope.where), params=target.exact_params)
        if ranges:
            rows, complete = yield from _range(target, code, some, least, most)
        else:
            limits = (_FIRST, MAX_LIMIT) if low is high is None else (MAX_LIMIT,)
            rows, complete = yield from _top(target, code, some, most, limits)
        last = rows[-1].distance if rows else most
        if complete:
            found += [row for row in rows if least <= row.distance <= most]
        elif ranges and last > least:
            found += [row for row in rows if row.distance < last]  # all of them, for it gives the nearest
            parts.append((last, low, high))
        else:
            middle = _middle(target, rows, low, high)
            parts += [(least, middle, high), (least, low, middle)]
    return _in_order(found)


def complete_nearest(target: Target, codes: Codes, scope: Scope, *, limit: int) -> Steps[list[list[Row]]]:
    """The ``limit`` nearest rows to each of ``codes`` uint8 ``(q, bits // 8)``, and all others at the last distance.

    Rows are ordered by (distance, primary key); there are more than ``limit`` where the last distance is tied.

    Raises:
        StoreError: The index is HNSW or AUTOINDEX, which may miss rows.
    """
    _refuse_inexact(target)
    asked = min(limit + _SPARE, MAX_LIMIT)
    answers = yield from nearest(target, codes, replace(scope, params=target.exact_params), limit=asked)
    found: list[list[Row]] = []
    for code, rows in zip(codes, answers, strict=True):
        last = rows[:limit][-1].distance if rows else 0
        nearer = [row for row in rows if row.distance < last]
        tied = [row for row in rows if row.distance == last]
        if len(rows) == asked == len(nearer) + len(tied):  # there may be more of them
            tied = yield from within(target, code.tobytes(), scope, least=last, most=last)
        found.append(_in_order(nearer + tied))
    return found


def following(target: Target, code: bytes, scope: Scope, after: tuple[int, Key] | None, count: int) -> Steps[list[Row]]:
    """The ``count`` rows that come after a place, a distance and a primary key, in the order of these two.

    Args:
        target: Where.
        code: What the distances are to, of ``bits // 8`` bytes.
        scope: Which rows.
        after: The place; None for the first rows.
        count: How many rows; fewer come where there are no more.

    Raises:
        StoreError: The index is HNSW or AUTOINDEX, which may miss rows.
    """
    _refuse_inexact(target)
    bare = replace(scope, output_fields=(), params=target.exact_params)
    found: list[Row] = []
    least = 0
    if after is not None:
        found += yield from _ring(target, code, bare, after[0], after[1], count)
        least = after[0] + 1
    while len(found) < count and least <= target.bits:
        rings, last = yield from _rings(target, code, bare, least, count - len(found))
        found += rings
        least = last + 1
        if len(found) < count and least <= target.bits:  # the next one has more rows than fitted in
            found += yield from _ring(target, code, bare, least, None, count - len(found))
            least += 1
    found = _in_order(found)[:count]
    if not scope.output_fields:
        return found
    return (yield from with_fields(target, [found], scope.output_fields))[0]


def _rings(target: Target, code: bytes, scope: Scope, least: int, count: int) -> Steps[tuple[list[Row], int]]:
    """All rows from distance ``least`` up to another one, which comes with them.

    They are about ``count``, or none where a single distance has more rows than that.
    """
    ranges = target.index == "BIN_FLAT"
    for limit in (min(count + _SPARE, MAX_LIMIT),) if ranges else (_FIRST, MAX_LIMIT):
        arguments = search_arguments(target, scope, limit=limit, bounds=(least, target.bits) if ranges else None)
        (rows,) = yield from search(target, scope, [code], arguments)
        last = target.bits if len(rows) < limit else max(row.distance for row in rows) - 1
        if last >= least:
            break
    return [row for row in rows if least <= row.distance <= last], max(last, least - 1)


def _ring(target: Target, code: bytes, scope: Scope, distance: int, above: Key | None, count: int) -> Steps[list[Row]]:
    """The rows at a distance with the least primary keys above one: ``count`` or more, or all that there are."""
    keys = "" if above is None else between(target.pk, above=above, lite=target.lite)
    scope = replace(scope, where=both(keys, scope.where))
    found: list[Row] = []
    parts: list[tuple[Key | None, Key | None]] = [(None, None)]
    while parts and len(found) < count:
        low, high = parts.pop()
        some = replace(scope, where=both(_between(target, low, high), scope.where))
        if target.index == "BIN_FLAT":
            rows, complete = yield from _range(target, code, some, distance, distance)
        else:
            rows, complete = yield from _top(target, code, some, distance, (MAX_LIMIT,))
        if complete:
            found += [row for row in rows if row.distance == distance]
        else:
            middle = _middle(target, rows, low, high)
            parts += [(middle, high), (low, middle)]
    return found


def _refuse_inexact(target: Target) -> None:
    if target.index not in ("BIN_FLAT", "BIN_IVF_FLAT"):
        raise StoreError(
            f"{target.name!r} has an index {target.index}, which may miss rows: "
            "ask for the nearest ones instead, or use an index BIN_FLAT or BIN_IVF_FLAT"
        )


def _range(target: Target, code: bytes, scope: Scope, least: int, most: int) -> Steps[tuple[list[Row], bool]]:
    """The nearest rows in the range, by distance, and whether they are all."""
    arguments = search_arguments(target, scope, limit=MAX_LIMIT, bounds=(least, most))
    (rows,) = yield from search(target, scope, [code], arguments)
    return sorted(rows, key=lambda row: row.distance), len(rows) < MAX_LIMIT


def _top(target: Target, code: bytes, scope: Scope, most: int, limits: Sequence[int]) -> Steps[tuple[list[Row], bool]]:
    """The nearest rows, by distance, and whether all up to ``most`` are among them; asks for more until they are."""
    for limit in limits:
        (rows,) = yield from nearest(target, np.frombuffer(code, np.uint8)[None], scope, limit=limit)
        complete = len(rows) < limit or rows[-1].distance > most
        if complete:
            break
    return rows, complete


def _between(target: Target, low: Key | None, high: Key | None) -> str:
    bounds = ((">=", low), ("<", high))
    return " and ".join(
        f"{target.pk} {sign} {quoted(key, lite=target.lite)}" for sign, key in bounds if key is not None
    )


def _middle(target: Target, rows: list[Row], low: Key | None, high: Key | None) -> Key:
    """A primary key between ``low`` and ``high`` with some of ``rows`` below it and some not.

    Raises:
        StoreError: There is none: all keys are ones that no filter can name, or Milvus took no notice of the bounds.
    """
    keys = sorted({row.pk for row in rows}, key=lambda pk: (pk,))[1:]
    keys = [key for key in keys if is_quotable(key, lite=target.lite)]
    middle = keys[len(keys) // 2] if keys else None
    if middle is None or (low is not None and (middle,) <= (low,)) or (high is not None and (middle,) >= (high,)):
        raise StoreError(f"{target.name!r} has over {MAX_LIMIT} rows there, which their primary keys do not tell apart")
    return middle


def _in_order(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (row.distance, row.pk))
