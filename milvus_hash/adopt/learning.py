"""An encoder for the vectors of a source: the bundle that is there, or one that is learned from a sample."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from milvus_hash.adopt.learn import learn, write_vector_bundle
from milvus_hash.adopt.merge import usable
from milvus_hash.adopt.sidecar import check_able
from milvus_hash.adopt.source import Source, Vectors, fetch, sample
from milvus_hash.bundle import MANIFEST, VectorInput
from milvus_hash.encoder import Encoder
from milvus_hash.errors import InputError
from milvus_hash.store.connection import Connection
from milvus_hash.store.target import Key

BITS = 256
"""Bits of codes that are learned, unless told otherwise."""

SAMPLE = 20_000
"""Rows that are learned from, unless told otherwise."""


def encoder_for(
    connection: Connection,
    source: Source,
    path: Path,
    *,
    bits: int | None = None,
    pairs_field: str = "",
    rows: int = SAMPLE,
) -> Encoder:
    """The encoder of the bundle in folder ``path``; where there is none, one is learned and written there first.

    Raises:
        InputError: The bundle does not take these vectors, or the source has too few to learn from.
        BundleError: The folder holds something else.
        StoreError: Milvus failed.
    """
    if (path / MANIFEST).is_file():
        encoder = Encoder.load(path)
        check_width(encoder, source)
        encoder.check_bits(bits)
        return encoder
    keys = sample(connection, source, rows)
    return learn_encoder(connection, source, keys, path, bits=bits or BITS, pairs_field=pairs_field)


def learn_encoder(
    connection: Connection, source: Source, keys: Sequence[Key], path: Path, *, bits: int, pairs_field: str = ""
) -> Encoder:
    """Learn codes from the rows with these keys and write them to folder ``path`` as a bundle.

    Raises:
        InputError: There are too few usable vectors, more bits than learning can give, or no field ``pairs_field``.
        StoreError: Milvus failed.
    """
    chunk, _ = usable(fetch(connection, source, keys), source.metric)
    if not chunk.keys:
        raise InputError(f"{source.name!r} has no vectors in {source.vector_field!r} to learn from")
    vectors, pairs = chunk.vectors, None
    if pairs_field:
        vectors, pairs = _paired(connection, source, chunk.keys, vectors, pairs_field)
    learned = learn(vectors, bits, metric=source.metric, pairs=pairs)
    told = f"{len(vectors)} rows of collection {source.name}, field {source.vector_field}"
    write_vector_bundle(path, learned, name=f"{source.name}.{source.vector_field}", trained_on=told)
    return Encoder.load(path)


def _paired(
    connection: Connection, source: Source, keys: Sequence[Key], vectors: Vectors, field: str
) -> tuple[Vectors, Vectors]:
    """The vectors of the rows that have one in both fields, and those others."""
    if field not in source.fields or "dim" not in source.fields[field]["params"]:
        raise InputError(f"{source.name!r} has no vector field {field!r} to pair {source.vector_field!r} with")
    other, _ = usable(fetch(connection, source, keys, vector_field=field), source.metric)
    row_of = {key: row for row, key in enumerate(keys)}
    return vectors[[row_of[key] for key in other.keys]], other.vectors


def check_width(encoder: Encoder, source: Source) -> None:
    """Refuse an encoder that takes other vectors than those of ``source``.

    Raises:
        InputError: It takes none, or of another width.
    """
    check_able(encoder)
    takes = encoder.bundle.modalities["vector"].input
    if isinstance(takes, VectorInput) and takes.width != source.width:
        raise InputError(
            f"bundle {encoder.bundle.name} takes vectors of {takes.width} numbers; field {source.vector_field!r} of "
            f"{source.name!r} has {source.width}: give another bundle"
        )
