"""How often each value of a metadata field stands in the rows that a search would look at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from milvus_hash.errors import InputError
from milvus_hash.query.fields import check_there, is_name
from milvus_hash.query.filters import asking, both, check_condition, check_modality, of_modality
from milvus_hash.query.stored import reading_of
from milvus_hash.query.walk import Entity, each_page
from milvus_hash.store.call import Steps
from milvus_hash.store.rows import leave_out_absent
from milvus_hash.store.target import Target


def facets(
    target: Target, field: str, into: str | None, condition: str, declared: Mapping[str, type]
) -> Steps[dict[Any, int]]:
    """Rows by value of ``field``, the most frequent first; of a list each of its values counts.

    All rows are read once, page by page, and nothing but the field of them.

    Raises:
        InputError: No row has such a field, a value is an object, or the modality or the condition cannot be used.
        StoreError: Milvus failed, or refused the condition.
    """
    if field == "code" or not is_name(field, declared):
        raise InputError(f'facets: {field!r:.60} is no name of a field that can be counted; give one, as in "brand"')
    wanted = both(of_modality(check_modality(into)), check_condition(condition, lite=target.lite))
    kinds = {field: declared[field]} if field in declared else {}
    counts: Counter[Any] = Counter()

    def take(rows: Sequence[Entity]) -> None:
        for row in rows:
            leave_out_absent(row, kinds)
            value = row.get(field)
            try:
                counts.update([value] if not isinstance(value, list) else set(value))
            except TypeError:
                raise InputError(
                    f"field {field!r}: {value!r} is no value to count; texts, numbers, bools and lists of them are"
                ) from None

    reading = replace(reading_of(target, field, where=wanted), doing=asking(condition, "reading"))
    yield from each_page(reading, take)
    counts.pop(None, None)
    if not counts:
        yield from check_there(target, field, declared, "facets")
    return dict(sorted(counts.items(), key=lambda one: (-one[1], str(one[0]))))
