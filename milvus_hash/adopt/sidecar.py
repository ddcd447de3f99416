"""The sidecar of a float collection: the same primary keys, a code each, and copies of fields to filter by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from milvus_hash.adopt.source import Source
from milvus_hash.errors import BundleMismatch, InputError, StoreError
from milvus_hash.store import catalog
from milvus_hash.store.building import create_index
from milvus_hash.store.connection import Connection
from milvus_hash.store.description import describe, exists
from milvus_hash.store.index import resolve
from milvus_hash.store.making import making
from milvus_hash.store.schema import Provenance, new_mark
from milvus_hash.store.target import CODE, Target

if TYPE_CHECKING:
    from milvus_hash.encoder import Encoder
    from milvus_hash.store.driver import CollectionSchema

_TEXTS = ("VARCHAR", "JSON")
_SCALARS = ("BOOL", "INT8", "INT16", "INT32", "INT64", "FLOAT", "DOUBLE", *_TEXTS)


@dataclass(frozen=True, slots=True)
class Adopted:
    """What a sidecar belongs to; stored as JSON in its ``description`` beside the :class:`Provenance` of its codes.

    Attributes:
        source: Name of the float collection.
        vector_field: The field that its codes are made of.
        metric: Of that field: ``COSINE``, ``IP`` or ``L2``.
        pk: Name of the primary key, in both.
        fields: Fields that are copied.
    """

    source: str
    vector_field: str
    metric: str
    pk: str
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sidecar:
    """A sidecar collection as it was found.

    Attributes:
        name: Of the collection.
        made_by: Whose codes it holds.
        adopted: What it belongs to.
        target: Where its searches look.
        texts: Those of the copied fields whose values have no fixed size.
    """

    name: str
    made_by: Provenance
    adopted: Adopted
    target: Target
    texts: tuple[str, ...]


def create(
    connection: Connection, name: str, source: Source, made_by: Provenance, fields: Sequence[str], kind: str
) -> Sidecar:
    """Create sidecar ``name`` for the vectors of ``source``.

    Raises:
        InputError: A field cannot be copied, or the index is unknown.
        StoreError: A collection of this name exists, or Milvus fails.
    """
    stats = connection.call(f"counting {source.name!r}", "get_collection_stats", source.name)  # near enough
    index = resolve(kind, lite=connection.lite, rows=int(stats["row_count"]))
    adopted = Adopted(source.name, source.vector_field, source.metric, source.pk, tuple(fields))
    schema = _schema(source, made_by, adopted)
    if exists(connection, name):
        raise StoreError(f"collection {name!r} exists in {connection.place}: name another one")
    with making(connection, name, schema):
        create_index(connection, name, index)
        connection.call(f"loading {name!r}", "load_collection", name)
    return read(connection, name)


def check_fields(source: Source, fields: Sequence[str]) -> None:
    """Refuse fields that a sidecar of ``source`` cannot copy.

    Raises:
        InputError: One that is not there, is the key, repeats, is called ``code``, or is no scalar.
    """
    if CODE in (source.pk, *fields):
        raise InputError(f"a field of {source.name!r} is called {CODE!r}, as the sidecar's own: it cannot be copied")
    for name in fields:
        if name not in source.fields or name == source.pk:
            able = [other for other, what in source.fields.items() if what["type"].name in _SCALARS]
            choice = ", ".join(field for field in able if field != source.pk) or "none"
            raise InputError(f"{source.name!r} has no declared field {name!r} to copy; it has {choice}")
        if (kind := source.fields[name]["type"].name) not in _SCALARS:
            raise InputError(f"field {name!r} is {kind}; only {', '.join(_SCALARS)} can be copied")
    if len(set(fields)) != len(fields):
        raise InputError(f"fields {list(fields)}: a field is named twice")


def _schema(source: Source, made_by: Provenance, adopted: Adopted) -> CollectionSchema:
    from milvus_hash.store.driver import DataType, MilvusClient

    check_fields(source, adopted.fields)
    description = made_by.dumps(adopted=asdict(adopted), made=new_mark())
    schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False, description=description)
    schema.add_field(source.pk, source.fields[source.pk]["type"], is_primary=True, **_options(source.fields[source.pk]))
    schema.add_field(CODE, DataType.BINARY_VECTOR, dim=made_by.bits)
    for name in adopted.fields:
        schema.add_field(name, source.fields[name]["type"], **_options(source.fields[name]))
    return schema


def _options(field: Mapping[str, Any]) -> dict[str, Any]:
    """What makes a copy of a field take every value of the original."""
    options: dict[str, Any] = {}
    if "max_length" in field["params"]:
        options["max_length"] = int(field["params"]["max_length"])
    if field.get("nullable"):
        options["nullable"] = True
    return options


def read(connection: Connection, name: str) -> Sidecar:
    """What collection ``name`` is.

    Raises:
        StoreError: There is none, it is no sidecar, or Milvus fails.
    """
    found = describe(connection, name)
    made_by, stored = found.made_by, found.adopted
    if stored is None:
        raise StoreError(
            f"collection {name!r} is not the sidecar of a float collection: open it with HashCollection.open"
        )
    texts = [name for name, field in found.fields.items() if field["type"].name in _TEXTS]
    adopted = Adopted(**{**stored, "fields": tuple(stored["fields"])})
    copied = tuple(text for text in texts if text in adopted.fields)
    return Sidecar(name, made_by, adopted, found.target(), copied)


def check_encoder(sidecar: Sidecar, encoder: Encoder, bits: int | None = None) -> None:
    """Refuse an encoder that did not make the sidecar's codes, and another code length than theirs.

    Raises:
        BundleMismatch: Another bundle did.
        InputError: The bundle cannot encode vectors, or the sidecar has other than ``bits`` bits.
    """
    if bits not in (None, sidecar.made_by.bits):
        raise InputError(
            f"collection {sidecar.name!r} has codes of {sidecar.made_by.bits} bits, not {bits}: "
            "leave the length out, or name another collection"
        )
    catalog.check_bundle(sidecar.name, sidecar.made_by, encoder.bundle)
    check_able(encoder)


def check_able(encoder: Encoder) -> None:
    """Refuse a bundle without modality ``vector``.

    Raises:
        InputError: It has none.
    """
    if "vector" not in encoder.modalities:
        raise InputError(
            f"bundle {encoder.bundle.name} encodes {', '.join(encoder.modalities)}, not vectors: "
            "give one of modality vector, or none, and adopt learns one"
        )


def check_source(sidecar: Sidecar, source: Source, fields: Sequence[str] | None = None) -> None:
    """Refuse a sidecar that belongs to something else than ``source``.

    Raises:
        BundleMismatch: It belongs to another collection or field, or the metric or the key has changed.
        InputError: It copies other ``fields``.
    """
    has = sidecar.adopted
    found = (has.source, has.vector_field, has.metric, has.pk)
    wanted = (source.name, source.vector_field, source.metric, source.pk)
    for what, old, new in zip(("collection", "vector field", "metric", "primary key"), found, wanted, strict=True):
        if old != new:
            raise BundleMismatch(
                f"collection {sidecar.name!r} is the sidecar of {what} {old!r}, not {new!r}: name another --collection"
            )
    if fields is not None and set(fields) != set(has.fields):
        raise InputError(
            f"collection {sidecar.name!r} copies the fields {list(has.fields)}, not {list(fields)}: "
            "leave the fields out, or name another collection"
        )
