"""The stored codes of known rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from milvus_hash.query.filters import one_of
from milvus_hash.query.target import CODE, Key, Row, Scope, Target
from milvus_hash.store.call import Call, Steps

KEYS_PER_CALL = 8192
"""Primary keys in one query: below the 16,384 rows that it may return."""


def with_codes(target: Target, scope: Scope) -> Scope:
    """The same scope, whose searches return codes too; Milvus Lite's cannot, and :func:`codes_of` knows."""
    return scope if target.lite else replace(scope, output_fields=(*scope.output_fields, CODE))


def codes_of(target: Target, found: Sequence[Sequence[Row]]) -> Steps[dict[Key, bytes]]:
    """The codes ``bits // 8`` bytes by primary key of rows that a search in a scope :func:`with_codes` found.

    A server returned them with the rows, which is quicker than a second call. Milvus Lite is asked, and has none of
    rows that were deleted meanwhile.
    """
    if not target.lite:
        return {row.pk: as_bytes(row.fields[CODE]) for rows in found for row in rows}
    keys = list(dict.fromkeys(row.pk for rows in found for row in rows))
    codes: dict[Key, bytes] = {}
    for start in range(0, len(keys), KEYS_PER_CALL):
        some = keys[start : start + KEYS_PER_CALL]
        arguments = {
            "collection_name": target.name,
            "filter": one_of(target.pk, some),
            "output_fields": [target.pk, CODE],
        }
        answer = yield Call(f"reading codes of {target.name!r}", "query", arguments)
        codes |= {row[target.pk]: as_bytes(row[CODE]) for row in answer}
    return codes


def as_bytes(code: bytes | list[bytes]) -> bytes:
    """A code as a ``query`` gives it, which puts it into a list of one, or as a ``search`` does."""
    return code[0] if isinstance(code, list) else code
