"""What adopting a collection gives: recall against the source's exact search, and the memory of both."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from milvus_hash.adopt import sidecar as sidecars
from milvus_hash.adopt.learning import BITS, SAMPLE, learn_encoder
from milvus_hash.adopt.merge import usable
from milvus_hash.adopt.recall import Recall
from milvus_hash.adopt.source import Source, fetch, look, sample, walk
from milvus_hash.ahead import one_ahead
from milvus_hash.errors import InputError
from milvus_hash.store.address import ConnectionOptions
from milvus_hash.store.connection import Connection

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from milvus_hash.encoder import Encoder

QUERIES = 200
"""Rows that are drawn to ask with, unless told otherwise."""


@dataclass(frozen=True, slots=True)
class Report:
    """Figures of codes beside the vectors that they stand for.

    Attributes:
        source: Name of the float collection.
        vector_field: The field.
        metric: ``COSINE``, ``IP`` or ``L2``.
        width: Numbers in a vector.
        bits: Code length.
        rows: That were searched.
        queries: Rows that were drawn to ask with, none of which counts as its own neighbour.
        k: Neighbours per query.
        oversample: Candidates per neighbour before rescoring.
        raw: Recall@k by Hamming distance alone.
        asymmetric: By the query's real values against the stored bits: no float is stored.
        rescored: Of ``k * oversample`` candidates by Hamming distance, ordered by their vectors in the source.
        vector_bytes: Of one vector, as its type stores it.
        code_bytes: Of one code. Neither counts keys, fields, or what an index adds.
    """

    source: str
    vector_field: str
    metric: str
    width: int
    bits: int
    rows: int
    queries: int
    k: int
    oversample: int
    raw: float
    asymmetric: float
    rescored: float
    vector_bytes: int
    code_bytes: int


def trial(
    source: str,
    vector_field: str,
    *,
    bits: int | None = None,
    encoder: Encoder | None = None,
    pairs_field: str = "",
    rows: int = SAMPLE,
    queries: int = QUERIES,
    k: int = 10,
    oversample: int = 10,
    **where: Unpack[ConnectionOptions],
) -> Report:
    """What adopting would give, tried on a sample; nothing is written, neither to Milvus nor beside it.

    Codes are learned from the sample and searched among it; the queries are further rows that learning never sees.
    Among all rows recall is lower than among a sample: neighbours are closer together.

    Args:
        source: Name of the float collection.
        vector_field: Its field.
        bits: Code length; 256, or that of ``encoder``, when absent.
        encoder: A bundle of modality ``vector`` to use instead of learning one.
        pairs_field: Another vector field whose agreement the codes shall keep.
        rows: Size of the sample.
        queries: How many rows to ask with.
        k: Neighbours per query.
        oversample: Candidates per neighbour before rescoring.
        where: Which Milvus, as :class:`~milvus_hash.store.address.ConnectionOptions` lists them.

    Raises:
        InputError: The field or an argument cannot be used, or there are too few rows.
        StoreError: Milvus failed.
    """
    _check(queries=queries, k=k, oversample=oversample)
    connection = Connection(**where)
    try:
        found = look(connection, source, vector_field)
        keys = sample(connection, found, rows + queries)
        if len(keys) < 2 * queries:
            raise InputError(f"{source!r} has {len(keys)} rows: a trial with {queries} queries needs twice as many")
        step = len(keys) / queries  # queries are spread over the keys, which are sorted
        asking = {keys[int(number * step)] for number in range(queries)}
        searched = [key for key in keys if key not in asking]
        with tempfile.TemporaryDirectory() as folder:
            if encoder is None:
                encoder = learn_encoder(
                    connection, found, searched, Path(folder) / "bundle", bits=bits or BITS, pairs_field=pairs_field
                )
            chunk, _ = usable(fetch(connection, found, searched), found.metric)
            recall = _recall(connection, found, sorted(asking), encoder, bits, k, oversample)
            recall.add(chunk.keys, chunk.vectors, encoder.encode_vectors(chunk.vectors, bits=bits))
            return _report(found, recall, len(asking), encoder.check_bits(bits), k, oversample)
    finally:
        connection.close()


def measure(
    name: str,
    encoder: Encoder,
    *,
    queries: int = QUERIES,
    k: int = 10,
    oversample: int = 10,
    progress: Callable[[int], None] | None = None,
    **where: Unpack[ConnectionOptions],
) -> Report:
    """The figures of sidecar ``name`` over all rows of its source, each of which is read once.

    Distances are those of the source's vectors as they are now, and every row is looked at: what an approximate index
    of the sidecar loses, and rows that wait for the next sync, come on top.

    Args:
        name: Of the sidecar.
        encoder: Of the bundle that made its codes.
        queries: How many rows to ask with.
        k: Neighbours per query.
        oversample: Candidates per neighbour before rescoring.
        progress: Called with the number of rows that were read.
        where: Which Milvus, as :class:`~milvus_hash.store.address.ConnectionOptions` lists them.

    Raises:
        InputError: An argument cannot be used.
        StoreError: There is no such sidecar, another bundle made it, or Milvus failed.
    """
    _check(queries=queries, k=k, oversample=oversample)
    connection = Connection(**where)
    try:
        sidecar = sidecars.read(connection, name)
        sidecars.check_encoder(sidecar, encoder)
        source = look(connection, sidecar.adopted.source, sidecar.adopted.vector_field)
        bits = sidecar.made_by.bits
        asking = sample(connection, source, queries)
        recall = _recall(connection, source, asking, encoder, bits, k, oversample)
        for whole in one_ahead(walk(connection, source)):
            chunk, _ = usable(whole, source.metric)
            recall.add(chunk.keys, chunk.vectors, encoder.encode_vectors(chunk.vectors, bits=bits))
            if progress is not None:
                progress(len(whole.keys))
        return _report(source, recall, len(asking), bits, k, oversample)
    finally:
        connection.close()


def _check(**numbers: int) -> None:
    for name, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise InputError(f"{name}={value!r}: an integer from 1 is needed")


def _recall(
    connection: Connection,
    source: Source,
    keys: list[str | int],
    encoder: Encoder,
    bits: int | None,
    k: int,
    oversample: int,
) -> Recall:
    asked, _ = usable(fetch(connection, source, keys), source.metric)
    if not asked.keys:
        raise InputError(f"{source.name!r} has no vectors in {source.vector_field!r} that can be asked with")
    encodings = encoder.encode("vector", list(asked.vectors), bits=bits)
    return Recall(asked.keys, asked.vectors, encodings, source.metric, k=k, oversample=oversample)


def _report(source: Source, recall: Recall, queries: int, bits: int, k: int, oversample: int) -> Report:
    return Report(
        source=source.name,
        vector_field=source.vector_field,
        metric=source.metric,
        width=source.width,
        bits=bits,
        rows=recall.rows,
        queries=queries,
        k=k,
        oversample=oversample,
        **recall.figures(),
        vector_bytes=source.row_bytes,
        code_bytes=bits // 8,
    )
