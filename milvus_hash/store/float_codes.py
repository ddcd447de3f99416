"""Codes as Milvus Lite 3 can hold them: it has no binary vectors, so a bit is a float that is 1 or -1.

The inner product of two such codes is ``bits - 2 * distance``, and floats hold it exactly. All other modules speak of
BINARY_VECTOR, bytes, HAMMING and BIN_FLAT; what they ask for is put into other words here, where it is sent, and the
answer back. What Lite 3 takes otherwise than a server does is seen to here, too:

- It loses the description of a collection: that is a property.
- Its upsert keeps the old row's values where the new row has none; its insert replaces rows, at half the cost.
- It counts all partitions together when it is asked for one without a filter.
- It bounds a search among five times as many nearest rows as were asked for, and reads them all; a search for few
  rows that goes on until it has passed the bound is exact and quicker.
- It knows five escapes in texts of filters.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from milvus_hash.store.target import CODE
from milvus_hash.store.texts import as_lite3_reads

if TYPE_CHECKING:
    from milvus_hash.store.driver import CollectionSchema

DESCRIPTION = "milvus_hash.description"
"""The property that has the description of a collection."""


_INDEX = {"index_type": "BRUTE_FORCE", "metric_type": "IP"}  # Lite 3 calls it FLAT, too: so others' are told apart
_COUNT = ["count(*)"]
_NOTHING = "-"  # a field that no row has: where no names are given, Lite 3 gives all fields
_FIRST_ROWS = 1024  # asked for where a search is bounded; most bounds have fewer
_GROWTH = 4


class Sent(NamedTuple):
    """A call as it is sent: a method of the client, and its arguments."""

    method: str
    arguments: tuple[Any, ...]
    options: dict[str, Any]


Sending: TypeAlias = Generator[Sent, Any, Any]
"""What is sent for one call: it yields one or several, is sent their answers, and returns the answer of the call."""


def to_floats(codes: Sequence[bytes]) -> NDArray[np.float32]:
    """Codes of ``n`` bytes each as floats ``(len(codes), 8 * n)``.

    Example:
        >>> to_floats([bytes([0b10000001])])
        array([[ 1., -1., -1., -1., -1., -1., -1.,  1.]], dtype=float32)
    """
    bits = np.unpackbits(np.frombuffer(b"".join(codes), np.uint8).reshape(len(codes), -1), axis=1)
    return bits.astype(np.float32) * 2 - 1


def to_bytes(vectors: ArrayLike) -> list[bytes]:
    """The codes of floats ``(n, bits)``: the inverse of :func:`to_floats`.

    Example:
        >>> to_bytes([[1, -1, -1, -1, -1, -1, -1, 1]]) == [bytes([0b10000001])]
        True
    """
    return [row.tobytes() for row in np.packbits(np.asarray(vectors) > 0, axis=1)]


def as_floats(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of a search for codes as those of the same search in Milvus Lite 3, which gives inner products."""
    search_params = {**arguments["search_params"], "metric_type": "IP"}
    wanted = {"data": list(to_floats(arguments["data"])), "output_fields": arguments["output_fields"] or [_NOTHING]}
    return {**arguments, **wanted, "search_params": search_params, "filter": as_lite3_reads(arguments["filter"])}


def sending(method: str, arguments: tuple[Any, ...], options: dict[str, Any]) -> Sending:
    """What to send to Milvus Lite 3 for a call of ``method``, and what its answer means."""
    if "filter" in options:
        options = {**options, "filter": as_lite3_reads(options["filter"])}
    special = _SPECIAL.get(method)
    if special is None:
        return (yield Sent(method, arguments, options))
    return (yield from special(*arguments, **options))


def _create_collection(name: str, *, schema: CollectionSchema, **options: Any) -> Sending:  # noqa: ANN401 (pymilvus')
    from pymilvus import CollectionSchema, FieldSchema

    from milvus_hash.store.driver import DataType

    fields = [
        FieldSchema(field.name, DataType.FLOAT_VECTOR, dim=field.params["dim"])
        if field.dtype == DataType.BINARY_VECTOR
        else field
        for field in schema.fields
    ]
    floats = CollectionSchema(fields, enable_dynamic_field=schema.enable_dynamic_field)
    options["properties"] = {DESCRIPTION: schema.description}
    return (yield Sent("create_collection", (name,), {"schema": floats, **options}))


def _describe_collection(name: str, **options: Any) -> Sending:  # noqa: ANN401 (pymilvus')
    from milvus_hash.store.driver import DataType

    found = yield Sent("describe_collection", (name,), options)
    properties = dict(found["properties"])
    if (description := properties.pop(DESCRIPTION, None)) is None:  # not of this package
        return found
    fields = [
        {**field, "type": DataType.BINARY_VECTOR} if field["name"] == CODE else field for field in found["fields"]
    ]
    return {**found, "description": description, "properties": properties, "fields": fields}


def _create_index(name: str, params: Any, **options: Any) -> Sending:  # noqa: ANN401 (pymilvus')
    floats = type(params)()
    for one in params:
        floats.add_index(one.field_name, **_INDEX)
    return (yield Sent("create_index", (name, floats), options))


def _describe_index(name: str, field: str, **options: Any) -> Sending:  # noqa: ANN401 (pymilvus')
    found = yield Sent("describe_index", (name, field), options)
    if found and field == CODE and _INDEX.items() <= found.items():
        return {**found, "index_type": "BIN_FLAT", "metric_type": "HAMMING"}
    return found


def _upsert(name: str, rows: Sequence[Mapping[str, Any]], **options: Any) -> Sending:  # noqa: ANN401 (pymilvus')
    floats = to_floats([row[CODE] for row in rows])
    data = [{**row, CODE: code} for row, code in zip(rows, floats, strict=True)]
    return (yield Sent("insert", (name, data), options))


def _query(*names: str, **options: Any) -> Sending:  # noqa: ANN401 (pymilvus')
    partitions = options.get("partition_names", ())
    if options.get("output_fields") == _COUNT and partitions and not options.get("filter"):
        rows = 0
        for partition in partitions:
            stats = yield Sent("get_partition_stats", (options["collection_name"], partition), {})
            rows += int(stats["row_count"])
        return [{_COUNT[0]: rows}]
    rows = yield Sent("query", names, options)
    _put_bytes(rows)
    return rows


def _search(*names: str, data: Sequence[Any], **options: Any) -> Sending:  # noqa: ANN401 (pymilvus')
    if not isinstance(data[0], bytes):  # a question to a float collection
        return (yield Sent("search", names, {"data": data, **options}))
    search_params = options.get("search_params", {})
    params = dict(search_params.get("params", {}))
    bounded, limit = "radius" in params, options["limit"]
    least, most = params.pop("range_filter", 0), params.pop("radius", len(data[0]) * 8 + 1) - 1
    if bounded:
        options["limit"] = min(limit, _FIRST_ROWS)
    options["output_fields"] = options.get("output_fields") or [_NOTHING]
    options |= {"data": to_floats(data), "search_params": {**search_params, "metric_type": "IP", "params": params}}
    while True:
        found = yield Sent("search", names, options)
        for hits in found:
            for hit in hits:
                hit["distance"] = (len(data[0]) * 8 - hit["distance"]) / 2
            _put_bytes([hit["entity"] for hit in hits])
        if not bounded:
            return found
        within = [[hit for hit in hits if least <= hit["distance"] <= most][:limit] for hits in found]
        asked = options["limit"]
        if all(
            len(hits) < asked or hits[-1]["distance"] > most or len(some) == limit
            for hits, some in zip(found, within, strict=True)
        ):
            return within
        options["limit"] = asked * _GROWTH


def _put_bytes(rows: Sequence[dict[str, Any]]) -> None:
    """Put the codes of these rows back into bytes; floats of a field of this name that are others are let be."""
    some = [row for row in rows if CODE in row]
    vectors = np.array([row[CODE] for row in some], np.float32)
    if some and (np.abs(vectors) == 1).all():
        for row, code in zip(some, to_bytes(vectors), strict=True):
            row[CODE] = code


def _get_load_state(name: str, **options: Any) -> Sending:  # noqa: ANN401 (pymilvus')
    yield Sent("load_collection", (name,), {})  # it forgets with every process what was loaded
    return (yield Sent("get_load_state", (name,), options))


_SPECIAL: dict[str, Callable[..., Sending]] = {
    "create_collection": _create_collection,
    "describe_collection": _describe_collection,
    "create_index": _create_index,
    "describe_index": _describe_index,
    "get_load_state": _get_load_state,
    "upsert": _upsert,
    "query": _query,
    "search": _search,
}
