"""The stored codes and fields of known rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from milvus_hash.query.scope import Row, Scope
from milvus_hash.query.walk import Reading, rows_by_key
from milvus_hash.store.call import Steps
from milvus_hash.store.target import CODE, Key, Target


def with_codes(target: Target, scope: Scope) -> Scope:
    """The same scope, whose searches return codes too; Milvus Lite's cannot, and :func:`codes_of` knows."""
    return scope if target.lite else replace(scope, output_fields=(*scope.output_fields, CODE))


def codes_of(target: Target, found: Sequence[Sequence[Row]]) -> Steps[dict[Key, bytes]]:
    """The codes ``bits // 8`` bytes by primary key of rows that a search in a scope :func:`with_codes` found.

    A server returned them with the rows, which is quicker than a second call. Milvus Lite is asked. There are none of
    rows that were deleted meanwhile.
    """
    if not target.lite:
        return {row.pk: as_bytes(row.fields[CODE]) for rows in found for row in rows if CODE in row.fields}
    answer = yield from rows_by_key(reading_of(target, CODE), _keys(found))
    return {row[target.pk]: as_bytes(row[CODE]) for row in answer}


def with_fields(target: Target, found: Sequence[Sequence[Row]], names: Sequence[str]) -> Steps[list[list[Row]]]:
    """Rows that were found, with fields that were too large to come with them; deleted rows have none any more."""
    answer = yield from rows_by_key(reading_of(target, *names), _keys(found))
    hidden = {target.pk}.difference(names)
    fields = {row[target.pk]: {name: row[name] for name in row if name not in hidden} for row in answer}
    return [[row._replace(fields=fields.get(row.pk, {})) for row in rows] for rows in found]


def _keys(found: Sequence[Sequence[Row]]) -> list[Key]:
    return list(dict.fromkeys(row.pk for rows in found for row in rows))


def reading_of(target: Target, *names: str, where: str = "") -> Reading:
    """What to read of the target's rows."""
    return Reading(target.name, target.pk, target.lite, names, {CODE: target.bits // 8}, where)


def as_bytes(code: bytes | list[bytes]) -> bytes:
    """A code as a ``query`` gives it, which puts it into a list of one, or as a ``search`` does."""
    return code[0] if isinstance(code, list) else code
