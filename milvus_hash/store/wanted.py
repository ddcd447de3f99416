"""What a new collection is to be, as keyword arguments, and whether one that is there is that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, cast

from milvus_hash.arguments import check_arguments
from milvus_hash.errors import InputError
from milvus_hash.names import ConsistencyName, IndexName
from milvus_hash.store.address import ConnectionOptions
from milvus_hash.store.schema import called


class CreateOptions(ConnectionOptions, total=False):
    """Keyword arguments that say what a new collection is to be, and where.

    Attributes:
        bits: Code length, one that the bundle lists; its full length when absent.
        index: ``BIN_FLAT`` (exact), ``BIN_IVF_FLAT`` (approximate, servers only), ``HNSW`` (approximate, servers
            that have it), ``AUTOINDEX`` (approximate, what the server chooses; the one index of Zilliz Cloud), or
            ``auto``, as when absent: ``BIN_FLAT``, but on a server ``BIN_IVF_FLAT`` beyond 2,000,000 rows.
        expected_rows: About how many rows the collection will have, for ``auto`` and for the number of lists.
        fields: Metadata fields to declare, with ``str``, ``int``, ``float`` or ``bool``; a row may lack them (see
            :data:`~milvus_hash.store.rows.ABSENT`). All other metadata goes to the dynamic field undeclared.
        consistency: What reads ask for: ``Strong``, ``Session``, ``Bounded`` or ``Eventually``; as at the top of
            :mod:`milvus_hash.collection` when absent.
    """

    bits: int | None
    index: IndexName
    expected_rows: int | None
    fields: Mapping[str, type] | None
    consistency: ConsistencyName | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What :class:`CreateOptions` say of the collection itself."""

    bits: int | None = None
    index: IndexName = "auto"
    expected_rows: int | None = None
    fields: Mapping[str, type] | None = None
    consistency: ConsistencyName | None = None

    def check(self, name: str, bits: int, index: str, fields: Mapping[str, type]) -> None:
        """Refuse collection ``name`` with these bits, index and fields where others are asked for.

        Raises:
            InputError: The message names both.
        """
        kind = None if self.index == "auto" else self.index
        for option, there, value in (
            ("bits", bits, self.bits),
            ("index", index, kind),
            ("fields", fields, self.fields),
        ):
            if value and there != value:
                raise InputError(
                    f"collection {name!r} has {option} {_shown(there)}, not {_shown(value)}; "
                    f"leave {option} out, or name another collection"
                )


def taken_apart(options: CreateOptions) -> tuple[Wanted, ConnectionOptions]:
    """What the collection is to be, and where.

    Raises:
        TypeError: There is no such option.
    """
    check_arguments(options, CreateOptions.__annotations__)
    own = {field.name for field in fields(Wanted)}
    wanted: dict[str, Any] = {name: value for name, value in options.items() if name in own}
    where = {name: value for name, value in options.items() if name not in own}
    return Wanted(**wanted), cast(ConnectionOptions, where)


def _shown(value: object) -> str:
    """A value for a message; fields as ``ingest --field`` takes them."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name}:{called(kind)}" for name, kind in value.items()) or "none"
    return repr(value)
