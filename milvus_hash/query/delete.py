"""Deleting rows: those of items, those that meet a filter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from milvus_hash.errors import InputError, StoreError
from milvus_hash.query.filters import asking, both, check_condition, of_modality
from milvus_hash.query.quoting import one_of
from milvus_hash.query.rows import of_items, of_many_items
from milvus_hash.query.stored import reading_of
from milvus_hash.query.walk import all_rows, in_parts
from milvus_hash.store import limits
from milvus_hash.store.call import Call, Steps
from milvus_hash.store.target import Key, Target


def delete(target: Target, items: Sequence[str] | None, modality: str | None, condition: str) -> Steps[int]:
    """Delete the rows that :func:`to_delete` finds; how many.

    They are looked for until there are none, as Milvus may leave some out of an answer, and deleted by their keys:
    what a filter deletes is what it finds.

    Raises:
        InputError: Neither items nor a condition, or one of them cannot be used.
        StoreError: Milvus failed or refused the condition, or the rows are there after they were deleted.
    """
    gone: set[Key] = set()
    while keys := (yield from to_delete(target, items, modality, condition)):
        if left := len(gone.intersection(keys)):
            raise StoreError(
                f"deleting from {target.name!r}: {left:,} rows are there again; "
                "is the disk full, or does another process write them?"
            )
        yield from delete_keys(target, keys)
        gone.update(keys)
    return len(gone)


def keys_of_items(target: Target, items: Sequence[str]) -> Steps[list[Key]]:
    """The keys of the rows of these items, however many items; all are looked for in one pass.

    Raises:
        StoreError: Milvus failed.
    """
    found = yield from all_rows(reading_of(target, where=of_many_items(items, lite=target.lite)))
    return [row[target.pk] for row in found]


def delete_keys(target: Target, keys: Sequence[Key]) -> Steps[None]:
    """Delete the rows with these primary keys; one that is not there is none to delete.

    Raises:
        StoreError: Milvus failed.
    """
    for part in in_parts(keys, limits.KEYS_DELETED, lite=target.lite):
        arguments = {"collection_name": target.name, "filter": one_of(target.pk, part, lite=target.lite)}
        yield Call(f"deleting from {target.name!r}", "delete", arguments, read=False)


def to_delete(target: Target, items: Sequence[str] | None, modality: str | None, condition: str) -> Steps[list[Key]]:
    """The keys of the rows of ``items``, or of all for None, that are of the modality and meet the condition.

    Raises:
        InputError: Neither items nor a condition, or one of them cannot be used.
        StoreError: Milvus failed, or refused the condition.
    """
    checked = check_condition(condition, lite=target.lite)
    if items is None and not checked:
        raise InputError("which rows? name items or a filter; drop() deletes the whole collection")
    wanted = both(of_modality(modality), checked)
    keys: list[Key] = []
    for some in [""] if items is None else of_items(items, modality):
        reading = replace(reading_of(target, where=both(some, wanted)), doing=asking(condition, "reading"))
        found = yield from all_rows(reading)
        keys += [row[target.pk] for row in found]
    return keys
