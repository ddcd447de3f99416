"""The stored codes of known rows."""

from __future__ import annotations

from collections.abc import Sequence

from milvus_hash.query.filters import one_of
from milvus_hash.query.target import CODE, Key, Target
from milvus_hash.store.call import Call, Steps

KEYS_PER_CALL = 8192
"""Primary keys in one query: below the 16,384 rows that it may return."""


def stored_codes(target: Target, keys: Sequence[Key]) -> Steps[dict[Key, bytes]]:
    """The codes ``bits // 8`` bytes of rows by primary key; keys without a row are left out."""
    found: dict[Key, bytes] = {}
    for start in range(0, len(keys), KEYS_PER_CALL):
        some = keys[start : start + KEYS_PER_CALL]
        arguments = {
            "collection_name": target.name,
            "filter": one_of(target.pk, some),
            "output_fields": [target.pk, CODE],
        }
        answer = yield Call(f"reading codes of {target.name!r}", "query", arguments)
        found |= {row[target.pk]: as_bytes(row[CODE]) for row in answer}
    return found


def as_bytes(code: bytes | list[bytes]) -> bytes:
    """A code as a ``query`` gives it, which puts it into a list of one, or as a ``search`` does."""
    return code[0] if isinstance(code, list) else code
