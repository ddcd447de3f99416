"""The float collection that is adopted: what it is, and its vectors in the order of their keys. It is only read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from numpy.typing import NDArray

from milvus_hash.adopt.learn import Metric
from milvus_hash.errors import InputError, StoreError
from milvus_hash.query.quoting import is_quotable
from milvus_hash.query.walk import Reading, pages, rows_by_key
from milvus_hash.store.connection import Connection
from milvus_hash.store.consistency import Consistency
from milvus_hash.store.description import exists
from milvus_hash.store.target import Key

if TYPE_CHECKING:
    from milvus_hash.store.driver import DataType

Vectors = NDArray[np.float32]

_KINDS = {"FLOAT_VECTOR": 4, "FLOAT16_VECTOR": 2, "BFLOAT16_VECTOR": 2, "INT8_VECTOR": 1}  # bytes a number


@dataclass(frozen=True, slots=True)
class Source:
    """A float collection as Milvus describes it.

    Attributes:
        name: Of the collection.
        pk: Name of its primary key.
        vector_field: The field that is adopted.
        kind: Its type: ``FLOAT_VECTOR``, ``FLOAT16_VECTOR``, ``BFLOAT16_VECTOR`` or ``INT8_VECTOR``.
        width: Numbers in a vector.
        metric: ``COSINE``, ``IP`` or ``L2``: that of the field's index.
        fields: Descriptions of all fields by name, as ``describe_collection`` gives them.
    """

    name: str
    pk: str
    vector_field: str
    kind: str
    width: int
    metric: Metric
    fields: Mapping[str, Mapping[str, Any]]

    @property
    def row_bytes(self) -> int:
        """Bytes that one vector takes in Milvus."""
        return self.width * _KINDS[self.kind]

    def kind_of(self, vector_field: str) -> str:
        """The type of a vector field."""
        return str(self.fields[vector_field]["type"].name)

    def width_of(self, vector_field: str) -> int:
        """Numbers in its vectors."""
        return int(self.fields[vector_field]["params"]["dim"])


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some rows of a source.

    Attributes:
        keys: Their primary keys, ascending in a walk.
        vectors: float32 ``(n, width)``; a row without a vector is NaN.
        fields: The other fields that were asked for, one mapping per row.
    """

    keys: list[Key]
    vectors: Vectors
    fields: list[dict[str, Any]]


def look(connection: Connection, name: str, vector_field: str) -> Source:
    """What collection ``name`` is, and whether its ``vector_field`` can be adopted.

    Raises:
        StoreError: There is no such collection, it is not loaded, or the field has no index.
        InputError: The field is not there, holds no vectors that codes can be made of, or has another metric.
    """
    if not exists(connection, name):
        raise StoreError(f"there is no collection {name!r} in {connection.place}: name the one with the float vectors")
    described = connection.call(f"describing {name!r}", "describe_collection", name)
    fields = {field["name"]: field for field in described["fields"]}
    kind = _vector_kind(name, vector_field, fields)
    _check_loaded(connection, name)
    index = connection.call(f"describing the index of {name!r}", "describe_index", name, vector_field)
    if not index:
        raise StoreError(f"field {vector_field!r} of {name!r} has no index, which would say its metric: make one")
    if index["metric_type"] not in get_args(Metric):
        raise InputError(
            f"field {vector_field!r} of {name!r} has metric {index['metric_type']}; "
            f"one of {', '.join(get_args(Metric))} is needed"
        )
    pk = next(field for field in fields.values() if field.get("is_primary"))
    return Source(
        name=name,
        pk=pk["name"],
        vector_field=vector_field,
        kind=kind,
        width=int(fields[vector_field]["params"]["dim"]),
        metric=index["metric_type"],
        fields=fields,
    )


def _vector_kind(name: str, vector_field: str, fields: Mapping[str, Mapping[str, Any]]) -> str:
    able = [field for field, what in fields.items() if what["type"].name in _KINDS]
    choice = f"it has {', '.join(able)}" if able else "it has none"
    if vector_field not in fields:
        raise InputError(f"{name!r} has no field {vector_field!r}; a float vector field is needed, {choice}")
    kind: DataType = fields[vector_field]["type"]
    if kind.name not in _KINDS:
        raise InputError(
            f"field {vector_field!r} of {name!r} is {kind.name}; one of {', '.join(_KINDS)} is needed, {choice}"
        )
    return str(kind.name)


def _check_loaded(connection: Connection, name: str) -> None:
    """Loading changes the memory of somebody else's server, so it is left to them; Milvus Lite's is this process."""
    if connection.lite:
        connection.call(f"loading {name!r}", "load_collection", name)
        return
    state = connection.call(f"asking for the load state of {name!r}", "get_load_state", name)["state"]
    if state.name != "Loaded":
        raise StoreError(f"collection {name!r} is not loaded ({state.name}): load it, then adopt it")


def walk(connection: Connection, source: Source, *, fields: Sequence[str] = ()) -> Iterator[Chunk]:
    """All rows of ``source`` in the order of their keys, with its vectors and some other fields.

    Raises:
        StoreError: Milvus failed, or the source went away.
    """
    field = source.vector_field
    for page in pages(connection, source.name, source.pk, [field, *fields], sizes={field: source.row_bytes}):
        yield to_chunk(page, source, fields)


def sample(connection: Connection, source: Source, rows: int, *, seed: int = 0) -> list[Key]:
    """``rows`` keys drawn evenly from all of ``source``, in ascending order; all of them when there are fewer.

    Every key is read once, without its vector; memory stays at ``rows`` keys and a page.
    """
    rng = np.random.default_rng(seed)
    kept: list[Key] = []
    seen = 0
    for page in pages(connection, source.name, source.pk, []):
        for row in page:  # reservoir sampling: the n-th key takes the place of one of the others with odds rows / n
            seen += 1
            if len(kept) < rows:
                kept.append(row[source.pk])
            elif (place := int(rng.integers(seen))) < rows:
                kept[place] = row[source.pk]
    return sorted(kept)


def fetch(
    connection: Connection, source: Source, keys: Sequence[Key], *, vector_field: str = "", fields: Sequence[str] = ()
) -> Chunk:
    """The rows of ``source`` with these ``keys``, in the order that Milvus gives.

    Missing ones are left out, and so are those that Milvus Lite cannot be asked for.

    Args:
        connection: To Milvus.
        source: The collection.
        keys: Primary keys.
        vector_field: Another vector field than the source's own.
        fields: Other fields to read.
    """
    field = vector_field or source.vector_field
    sizes = {field: source.width_of(field) * _KINDS[source.kind_of(field)]}
    reading = Reading(source.name, source.pk, connection.lite2, (field, *fields), sizes)
    known = [key for key in keys if is_quotable(key, lite=connection.lite2)]
    page = connection.run(rows_by_key(reading, known), Consistency("Strong"))
    return to_chunk(page, source, fields, field)


def to_chunk(
    page: Sequence[Mapping[str, Any]], source: Source, fields: Sequence[str] = (), vector_field: str = ""
) -> Chunk:
    """Rows of a query as a chunk."""
    field = vector_field or source.vector_field
    return Chunk(
        [row[source.pk] for row in page],
        decode([row[field] for row in page], source.kind_of(field), source.width_of(field)),
        [{name: row[name] for name in fields} for row in page],
    )


def decode(values: Sequence[Any], kind: str, width: int) -> Vectors:
    """Vectors float32 ``(n, width)`` of what a query gives for a field of type ``kind``; NaN where there is none."""
    if any(value is None for value in values):
        missing = np.full(width, np.nan, dtype=np.float32)
        return np.stack([missing if value is None else decode([value], kind, width)[0] for value in values])
    if kind == "FLOAT_VECTOR":
        return np.asarray(values, dtype=np.float32).reshape(-1, width)
    raw = b"".join(value[0] if isinstance(value, list) else value for value in values)
    if kind == "FLOAT16_VECTOR":
        return np.frombuffer(raw, dtype="<f2").astype(np.float32).reshape(-1, width)
    if kind == "INT8_VECTOR":
        return np.frombuffer(raw, dtype=np.int8).astype(np.float32).reshape(-1, width)
    halves = np.frombuffer(raw, dtype="<u2").astype(np.uint32) << 16  # bfloat16: the upper half of a float32
    return halves.view(np.float32).reshape(-1, width)
