"""What a record leaves behind that is added again: rows of its item that it does not name any more."""

from __future__ import annotations

from collections.abc import Iterable

from milvus_hash.query.delete import delete_keys, keys_of_items
from milvus_hash.store.table import Table

_ITEMS_AT_ONCE = 1000  # that are looked up in one call, and held until then


class Leftovers:
    """Deletes them, some items at a time."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._named: dict[str, set[str]] = {}

    def name(self, item: str, keys: Iterable[str]) -> None:
        """Take note of a record: the primary keys that its item is to have, and no others.

        Raises:
            StoreError: Milvus failed.
        """
        self._named[item] = set(keys)
        if len(self._named) >= _ITEMS_AT_ONCE:
            self.delete()

    def delete(self) -> None:
        """Delete what the items noted so far have beside these keys.

        Raises:
            StoreError: Milvus failed.
        """
        named, self._named = self._named, {}
        if not named:
            return
        wanted = set().union(*named.values())
        found = self._table.run(keys_of_items(self._table.target, list(named)))
        if left := [key for key in found if key not in wanted]:
            try:
                self._table.run(delete_keys(self._table.target, left))
            finally:
                self._table.consistency.has_written_unknown()
