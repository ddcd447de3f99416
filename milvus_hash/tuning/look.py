"""What a collection holds, as far as tuning has to know."""

from __future__ import annotations

from dataclasses import dataclass

from milvus_hash.errors import InputError, StoreError
from milvus_hash.media.modalities import NAMES
from milvus_hash.names import ModalityName
from milvus_hash.query.filters import check_modality
from milvus_hash.query.rows import count
from milvus_hash.store.building import LEAST_ROWS
from milvus_hash.store.consistency import Consistency
from milvus_hash.store.table import Table


@dataclass(frozen=True, slots=True)
class Look:
    """What a collection holds.

    Attributes:
        into: The modality to search; None for a collection without modalities.
        asking: The modalities that ask; empty where the searched rows do themselves.
        rows: Rows to search.
        total: All rows.
    """

    into: ModalityName | None
    asking: tuple[str, ...]
    rows: int
    total: int


def look(table: Table, into: ModalityName | None) -> Look:
    """Count the rows of a collection, and choose what to search where ``into`` does not say it.

    Raises:
        InputError: The modality is unknown, or the collection has none.
        StoreError: Milvus failed, or there are too few rows for an index.
    """
    check_modality(into)
    described = table.call("describing", "describe_collection")

    def rows(modality: str | None) -> int:
        return table.run(count(table.target, modality, ""), Consistency())

    fields = {field["name"] for field in described["fields"]}
    if not fields >= {"item", "modality", "ordinal"}:  # a sidecar; it may have copied a field of one of these names
        if into is not None:
            raise InputError(f"into={into!r}: {table.name!r} has no modalities; leave it out")
        total = rows(None)
        return _enough(table.name, Look(None, (), total, total))
    counts: dict[ModalityName, int] = {modality: rows(modality) for modality in NAMES}
    searched: ModalityName = into if into is not None else max(NAMES, key=counts.__getitem__)
    asking = tuple(modality for modality, number in counts.items() if number and modality != searched)
    return _enough(table.name, Look(searched, asking, counts[searched], sum(counts.values())))


def _enough(name: str, found: Look) -> Look:
    if found.rows < LEAST_ROWS:
        raise StoreError(
            f"{name!r} has {found.rows} rows{f' of {found.into}' if found.into else ''}: Milvus builds no index "
            f"below {LEAST_ROWS}, so that every search is exact and there is nothing to tune"
        )
    return found
