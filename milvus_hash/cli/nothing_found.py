"""Why a search found nothing, where the collection can tell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from milvus_hash.media.modalities import NAMES
from milvus_hash.names import ModalityName

if TYPE_CHECKING:
    from milvus_hash.collection import HashCollection


def why_nothing(
    collection: HashCollection,
    found: Sequence[int],
    *,
    into: ModalityName,
    condition: str,
    radius: int | None,
    offset: int,
) -> str:
    """A remark, where at least one question found nothing; Milvus is asked where none found anything.

    Args:
        collection: Which was searched.
        found: How many hits each of the questions has.
        into: The modality that was looked for.
        condition: The filter, or nothing.
        radius: Within which; None for a search of the nearest rows.
        offset: Hits that were left out.
    """
    empty = sum(not hits for hits in found)
    if empty < len(found):
        return f"{empty:,} of {len(found):,} questions found nothing"
    rows = collection.count(into)
    if not rows:
        return _no_rows(collection, into)
    if condition:
        matching = collection.count(into, condition)
        if not matching:
            return f"the filter {condition!r} leaves none of the {_rows(into, rows)} of {collection.name!r}"
        rows = matching
    if radius is not None:
        return f"none of {_rows(into, rows)} is within distance {radius}; look further with a larger --radius"
    if offset >= rows:
        return f"--offset {offset} leaves out all of {_rows(into, rows)}"
    return "nothing was found"


def _no_rows(collection: HashCollection, into: ModalityName) -> str:
    others = {modality: collection.count(modality) for modality in NAMES if modality != into}
    have = {modality: rows for modality, rows in others.items() if rows}
    if not have:
        return f"collection {collection.name!r} has no rows"
    listed = " and ".join(_rows(modality, rows) for modality, rows in have.items())
    return f"no {into} rows in collection {collection.name!r}; it has {listed}: --into {' or '.join(have)}"


def _rows(modality: str, rows: int) -> str:
    return f"{rows:,} {modality} row{'' if rows == 1 else 's'}"
