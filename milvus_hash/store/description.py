"""What a collection is: the one place that reads it from what Milvus says."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from milvus_hash.errors import InputError, StoreError, Unsettled
from milvus_hash.store.building import describe_index, remembered
from milvus_hash.store.connection import Connection
from milvus_hash.store.index import Index, index_of
from milvus_hash.store.schema import Provenance, declared_fields
from milvus_hash.store.target import CODE, Target

_NAME = re.compile(r"[A-Za-z_][\w$]{0,254}", re.ASCII)

_UNLISTED = ("image", "video", "text", "vector")
"""The partitions of a collection from the time before its description listed them."""


@dataclass(frozen=True, slots=True)
class Description:
    """A collection as Milvus describes it; it may lack its index, or be none of this package.

    Attributes:
        described: What ``describe_collection`` gave.
        indexed: What ``describe_index`` gave for the codes; empty without an index.
        lite: Whether it lives in Milvus Lite 2.
    """

    described: Mapping[str, Any]
    indexed: Mapping[str, Any]
    lite: bool

    @property
    def name(self) -> str:
        """Of the collection, also where it was asked for by an alias."""
        name: str = self.described["collection_name"]
        return name

    @property
    def made_by(self) -> Provenance:
        """Whose codes it holds.

        Raises:
            StoreError: It was not made by this package, or by a newer version of it.
        """
        return Provenance.loads(self.name, self.described.get("description", ""))

    @property
    def adopted(self) -> Mapping[str, Any] | None:
        """What a sidecar belongs to; None for any other collection of this package."""
        return self._stored.get("adopted")

    @property
    def fields(self) -> dict[str, Mapping[str, Any]]:
        """All fields of its schema by name, as Milvus describes them."""
        return {field["name"]: field for field in self.described["fields"]}

    @property
    def declared(self) -> dict[str, type]:
        """The declared metadata fields and their types."""
        return declared_fields(self.described)

    @property
    def pk(self) -> str:
        """Name of the primary key."""
        return next(name for name, field in self.fields.items() if field.get("is_primary"))

    @property
    def bits(self) -> int:
        """Of the field of the codes; 0 where there is none."""
        return int(self.fields.get(CODE, {}).get("params", {}).get("dim", 0))

    @property
    def partitions(self) -> tuple[str, ...]:
        """The modalities that have a partition of their own; those that came later than the collection have none.

        Raises:
            StoreError: It was not made by this package.
        """
        return tuple(self._stored.get("partitions", _UNLISTED)) if self.made_by.partitioned else ()

    @property
    def index(self) -> Index:
        """The index on the codes, searched as ``tune`` stored it.

        Raises:
            Unsettled: There is none.
        """
        if not self.indexed:
            raise self.no_index()
        return remembered(index_of(self.indexed), self.described)

    def no_index(self) -> Unsettled:
        """What to raise when it cannot be searched for want of an index."""
        return Unsettled(
            f"collection {self.name!r} has no index on its codes, as after a run that was killed; its rows are all "
            f"there: milvus-hash doctor --collection {self.name} --repair makes the index again, and so does "
            f"milvus-hash tune {self.name}"
        )

    @property
    def _stored(self) -> dict[str, Any]:
        """The JSON in the collection's own description, which :attr:`made_by` has checked."""
        stored: dict[str, Any] = json.loads(self.described["description"])
        return stored

    def target(self) -> Target:
        """The collection as searches see it.

        Raises:
            StoreError: It was not made by this package, or has no index.
        """
        index = self.index
        return Target(
            self.name,
            self.made_by.bits,
            index.kind,
            pk=self.pk,
            partitions=self.partitions,
            lite=self.lite,
            params=index.search,
            exact_params=index.exact,
        )


def describe(connection: Connection, name: str) -> Description:
    """Read what collection ``name``, or the one behind the alias ``name``, is.

    Raises:
        StoreError: There is none, or Milvus fails.
    """
    if not exists(connection, name):
        raise missing(connection, name)
    described = connection.call(f"describing {name!r}", "describe_collection", name)
    has_codes = any(field["name"] == CODE for field in described["fields"])
    return Description(described, describe_index(connection, name) if has_codes else {}, connection.lite2)


def exists(connection: Connection, name: str) -> bool:
    """Whether there is a collection of this name, whoever made it.

    A file of Milvus Lite that is not there has none, and is not made.

    Raises:
        InputError: No collection can have this name.
        StoreError: There is no such database, in which a server only says that it has no such collection; or it fails.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InputError(
            f"a collection cannot be called {name!r:.60}: letters, digits and underscores are needed, 255 at most, and "
            "no digit first"
        )
    if _is_not_there(connection):
        connection.address.check()
        return False
    found = bool(connection.call(f"looking for {name!r}", "has_collection", name))
    if not found and (database := connection.address.database):
        databases: list[str] = []
        with suppress(StoreError):  # without the right to list them
            databases = connection.call("listing the databases", "list_databases")
        if databases and database not in databases:
            raise StoreError(f"there is no database {database!r} in {connection.uri}; it has {', '.join(databases)}")
    return found


def missing(connection: Connection, name: str) -> Unsettled:
    """What to raise where there is no collection ``name``."""
    there = ", which is not there itself" if _is_not_there(connection) else ""
    return Unsettled(
        f"there is no collection {name!r} in {connection.place}{there}: make it, for instance with milvus-hash ingest, "
        "or milvus-hash adopt for the vectors of another collection"
    )


def _is_not_there(connection: Connection) -> bool:
    if not connection.lite:
        return False
    connection.address.check()
    return not Path(connection.address.uri).exists()
