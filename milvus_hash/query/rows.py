"""Rows by what they are: those of an item, those of a primary key, how many there are."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from milvus_hash.arguments import listed
from milvus_hash.errors import InputError
from milvus_hash.query.filters import asking, check_condition, check_modality, rows_of_modality
from milvus_hash.query.quoting import is_quotable, one_of, quoted
from milvus_hash.query.stored import reading_of
from milvus_hash.query.walk import all_rows, rows_by_key
from milvus_hash.store import limits
from milvus_hash.store.call import Call, Steps
from milvus_hash.store.rows import CodeRow, from_entity
from milvus_hash.store.schema import encode_item, is_primary_key
from milvus_hash.store.target import CODE, Target


def rows_of(
    target: Target, items: Sequence[str], modality: str | None, fields: Mapping[str, type]
) -> Steps[list[CodeRow]]:
    """The stored rows of ``items``, ordered by item, modality and ordinal; unknown items have none.

    Raises:
        InputError: An item or the modality cannot be used.
        StoreError: Milvus failed.
    """
    rows: list[CodeRow] = []
    for some in of_items(items, modality):
        found = yield from all_rows(reading_of(target, CODE, *fields, "$meta", where=some))
        rows += [from_entity(row, fields) for row in found]
    return sorted(rows, key=lambda row: (row.item, row.modality, row.ordinal))


def of_items(items: Sequence[str], modality: str | None) -> Iterator[str]:
    """Filters for the rows of ``items``, some items in each.

    Raises:
        InputError: An item or the modality cannot be used.
    """
    check_modality(modality)
    ids = dict.fromkeys(encode_item(item) for item in listed("items", items, "ids"))
    wanted = [item + (f"#{modality}" if modality else "") for item in ids]
    for start in range(0, len(wanted), limits.ITEMS):
        # '$' follows '#', so this is "begins with PREFIX#"; like would take an encoded item's '%' as a wildcard
        ranges = [f'(pk >= "{prefix}#" and pk < "{prefix}$")' for prefix in wanted[start : start + limits.ITEMS]]
        yield " or ".join(ranges)


def of_many_items(items: Collection[str], *, lite: bool) -> str:
    """A filter for the rows of ``items``, of some thousand at most; it looks at every row once.

    An item that no filter can name is looked for by its primary keys.
    """
    named = [item for item in items if is_quotable(item, lite=lite)]
    conditions = [f"({some})" for some in of_items([item for item in items if item not in set(named)], None)]
    if named:
        conditions.append(one_of("item", named, lite=lite))
    return " or ".join(conditions)


def of_other_items(items: Collection[str], *, lite: bool) -> str:
    """A filter for the rows of other items; by their primary keys, which are encoded, where it cannot name an item."""
    named = sorted(item for item in set(items) if is_quotable(item, lite=lite))
    prefixes = [encode_item(item) for item in sorted(set(items).difference(named))]
    conditions = [f'(pk < "{prefix}#" or pk >= "{prefix}$")' for prefix in prefixes]
    if named:
        conditions.append(f"item not in [{', '.join(quoted(item, lite=lite) for item in named)}]")
    return " and ".join(conditions)


def existing(target: Target, pks: Iterable[str]) -> Steps[set[str]]:
    """Those of the primary keys that have a row.

    Raises:
        InputError: A key is not of the form that ``primary_key`` gives.
        StoreError: Milvus failed.
    """
    keys = listed("pks", pks, "primary keys")
    if odd := [key for key in keys if not is_primary_key(key)]:
        raise InputError(f"{odd[0]!r} is not a primary key; make one with primary_key(item, modality, ordinal)")
    return {row["pk"] for row in (yield from rows_by_key(reading_of(target), list(dict.fromkeys(keys))))}


def count(target: Target, modality: str | None, condition: str) -> Steps[int]:
    """The number of rows, of one modality and under a condition if given; exact, deleted rows not counted.

    Raises:
        InputError: The modality is unknown.
        StoreError: Milvus failed, or refused the condition.
    """
    rows = rows_of_modality(target, modality, check_condition(condition, lite=target.lite))
    counting = {"collection_name": target.name}
    if target.lite:
        any_row = {**counting, "filter": "", "limit": 1}
        if not (yield Call(f"counting {target.name!r}", "query", any_row)):
            return 0  # Milvus Lite dies of count(*) on a collection without rows
    doing = asking(condition, "counting")
    arguments = {**counting, **rows, "output_fields": ["count(*)"], "consistency_level": "Strong"}
    answer = yield Call(f"{doing} {target.name!r}", "query", arguments, read=False)  # at a level of its own
    return int(answer[0]["count(*)"])
