"""The float collection that is adopted: what it is, and its vectors in the order of their keys. It is only read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

from milvus_hash.adopt.learn import Metric
from milvus_hash.errors import InputError, StoreError
from milvus_hash.query.filters import both, one_of, quoted
from milvus_hash.query.target import MAX_LIMIT, Key
from milvus_hash.store.catalog import exists
from milvus_hash.store.connection import Connection

if TYPE_CHECKING:
    from milvus_hash.store.driver import DataType

Vectors = NDArray[np.float32]
Item = TypeVar("Item")

_KINDS = {"FLOAT_VECTOR": 4, "FLOAT16_VECTOR": 2, "BFLOAT16_VECTOR": 2, "INT8_VECTOR": 1}  # bytes a number
# Of vectors and fields in one answer: well below the 64 MiB that a server may send. Milvus Lite takes 0.2 s for an
# answer of 1.5 MB, 2.6 s for 6 MB, and does not come back from 12 MB.
_BYTES_PER_CALL = 16_000_000
_LITE_BYTES_PER_CALL = 1_000_000
_FIRST_ROWS = 256  # of a walk that reads texts, whose length is unknown
# What makes a limited query give the rows with the smallest keys, in their order, on every server since 2.3: it is
# what pymilvus' own query iterator sends. Without it Milvus 2.4 and later promise no order.
_IN_ORDER = {"iterator": "True", "reduce_stop_for_best": "True"}


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
        raise StoreError(f"there is no collection {name!r} in {connection.uri}: name the one with the float vectors")
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


def count(connection: Connection, source: str) -> int:
    """Rows of collection ``source``, exactly."""
    answer = connection.call(
        f"counting {source!r}", "query", source, output_fields=["count(*)"], consistency_level="Strong"
    )
    return int(answer[0]["count(*)"])


def pages(
    connection: Connection,
    name: str,
    pk: str,
    output_fields: Sequence[str],
    *,
    row_bytes: int = 0,
    texts: Sequence[str] = (),
    above: Key | None = None,
    up_to: Key | None = None,
    consistency: str = "Strong",
) -> Iterator[list[dict[str, Any]]]:
    """The rows of a collection with ``above < pk <= up_to`` (either may be open), ascending by ``pk``, in pages.

    Args:
        connection: To Milvus.
        name: Of the collection.
        pk: Its primary key.
        output_fields: What to read of a row.
        row_bytes: Bytes of a row that are known beforehand: its vectors and codes.
        texts: Those of the fields whose size is not; pages shrink to fit what was seen of them.
        above: The largest key to leave out.
        up_to: The largest key to read.
        consistency: Level of the reads.
    """
    rows = min(_FIRST_ROWS if texts else MAX_LIMIT, rows_per_call(connection, row_bytes))
    end = "" if up_to is None else f"{pk} <= {quoted(up_to)}"
    while True:
        page = connection.call(
            f"reading {name!r}",
            "query",
            name,
            filter=both("" if above is None else f"{pk} > {quoted(above)}", end),
            limit=rows,
            output_fields=list(output_fields),
            consistency_level=consistency,
            strict_float32=True,
            **_IN_ORDER,
        )
        if not page:
            return
        yield page
        if len(page) < rows:
            return
        above = page[-1][pk]
        seen = sum(len(str(row[text])) for row in page for text in texts) // len(page)
        rows = rows_per_call(connection, row_bytes + 4 * seen)  # UTF-8 takes up to four bytes a character


def rows_per_call(connection: Connection, row_bytes: int) -> int:
    """How many rows of about this size one answer may hold."""
    most = _LITE_BYTES_PER_CALL if connection.lite else _BYTES_PER_CALL
    return min(MAX_LIMIT, max(1, most // (row_bytes + 64)))


def walk(
    connection: Connection, source: Source, *, fields: Sequence[str] = (), texts: Sequence[str] = ()
) -> Iterator[Chunk]:
    """All rows of ``source`` in the order of their keys, with its vectors and some other fields.

    Raises:
        StoreError: Milvus failed, or the source went away.
    """
    wanted = [source.pk, source.vector_field, *fields]
    size = source.row_bytes
    for page in pages(connection, source.name, source.pk, wanted, row_bytes=size, texts=texts):
        yield to_chunk(page, source, fields)


def sample(connection: Connection, source: Source, rows: int, *, seed: int = 0) -> list[Key]:
    """``rows`` keys drawn evenly from all of ``source``, in ascending order; all of them when there are fewer.

    Every key is read once, without its vector; memory stays at ``rows`` keys and a page.
    """
    rng = np.random.default_rng(seed)
    kept: list[Key] = []
    seen = 0
    for page in pages(connection, source.name, source.pk, [source.pk]):
        for row in page:  # reservoir sampling: the n-th key takes the place of one of the others with odds rows / n
            seen += 1
            if len(kept) < rows:
                kept.append(row[source.pk])
            elif (place := int(rng.integers(seen))) < rows:
                kept[place] = row[source.pk]
    return sorted(kept)


def fetch(connection: Connection, source: Source, keys: Sequence[Key], *, vector_field: str = "") -> Chunk:
    """The rows of ``source`` with these ``keys``, in the order that Milvus gives; missing ones are left out.

    Args:
        connection: To Milvus.
        source: The collection.
        keys: Primary keys.
        vector_field: Another vector field than the source's own.
    """
    field = vector_field or source.vector_field
    width = int(source.fields[field]["params"]["dim"])
    step = min(4096, rows_per_call(connection, 4 * width))
    found: list[Key] = []
    parts = [np.empty((0, width), dtype=np.float32)]
    for start in range(0, len(keys), step):
        page = connection.call(
            f"reading {source.name!r}",
            "query",
            source.name,
            filter=one_of(source.pk, keys[start : start + step]),
            output_fields=[source.pk, field],
            consistency_level="Strong",
            strict_float32=True,
        )
        found += [row[source.pk] for row in page]
        parts.append(decode([row[field] for row in page], source.fields[field]["type"].name, width))
    return Chunk(found, np.concatenate(parts), [{}] * len(found))


def to_chunk(page: Sequence[Mapping[str, Any]], source: Source, fields: Sequence[str] = ()) -> Chunk:
    """Rows of a query as a chunk."""
    return Chunk(
        [row[source.pk] for row in page],
        decode([row[source.vector_field] for row in page], source.kind, source.width),
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


def ahead(items: Iterator[Item]) -> Iterator[Item]:
    """``items``, the next of which is made in a thread while the caller works on the last one."""
    with ThreadPoolExecutor(1, thread_name_prefix="milvus-read") as pool:
        upcoming = pool.submit(next, items, None)
        while (item := upcoming.result()) is not None:
            upcoming = pool.submit(next, items, None)
            yield item
