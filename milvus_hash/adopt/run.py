"""Adopt a float collection, and keep its codes up to date."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from milvus_hash.adopt import sidecar as sidecars
from milvus_hash.adopt.learning import SAMPLE, check_width, encoder_for
from milvus_hash.adopt.merge import Changes, Merge
from milvus_hash.adopt.source import look
from milvus_hash.arguments import check_encoder, check_path, check_whole, listed, plain
from milvus_hash.bundle import read_bundle
from milvus_hash.errors import InputError
from milvus_hash.names import IndexName
from milvus_hash.record import Reject
from milvus_hash.store.address import ConnectionOptions
from milvus_hash.store.connection import Connection
from milvus_hash.store.description import exists
from milvus_hash.store.schema import Provenance

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from milvus_hash.encoder import Encoder


@plain
def adopt(
    source: str,
    vector_field: str,
    *,
    collection: str,
    bundle_path: str | Path,
    bits: int | None = None,
    fields: Sequence[str] | None = None,
    pairs_field: str = "",
    index: IndexName = "auto",
    sample: int = SAMPLE,
    progress: Callable[[int], None] | None = None,
    on_reject: Callable[[Reject], None] | None = None,
    stop: Callable[[], bool] | None = None,
    **where: Unpack[ConnectionOptions],
) -> Changes:
    """Give the float collection ``source`` a sidecar ``collection`` of codes; ``source`` is only read.

    The sidecar has the same primary keys, a code for each, and copies of ``fields``. A second call with the same
    arguments goes on where an interrupted one was, and brings a finished one up to date, as :func:`sync` does; the
    source may change all the while. One call at a time may write to a sidecar.

    Args:
        source: Name of the float collection; it must be loaded.
        vector_field: Its field of FLOAT, FLOAT16, BFLOAT16 or INT8 vectors, with an index that says the metric.
        collection: Name of the sidecar, made if it is not there.
        bundle_path: Folder of the bundle that makes the codes. If there is none, codes are learned from a sample and
            written there.
        bits: Code length; 256 for codes that are learned, the full length of a bundle that is there, when absent.
        fields: Scalar fields of the source to copy, so that a filter on them can choose candidates.
        pairs_field: Learn codes that keep what this other vector field agrees with.
        index: Of the sidecar: ``BIN_FLAT``, ``BIN_IVF_FLAT``, ``HNSW``, ``AUTOINDEX`` or ``auto``.
        sample: Rows to learn from.
        progress: Called with the number of rows of the source that were settled.
        on_reject: Called with every row that no code can be made of: its key and the reason.
        stop: Asked before each page; once it says true, the call ends with what is written by then.
        where: Which Milvus, as :class:`~milvus_hash.store.address.ConnectionOptions` lists them.

    Raises:
        InputError: A field or an argument cannot be used.
        BundleError: The sidecar is there and its bundle is not, or ``bundle_path`` holds something else.
        BundleMismatch: The sidecar belongs to another bundle, collection or field.
        StoreError: Milvus failed; what was confirmed is there, and the same call goes on.
    """
    if source == collection:
        raise InputError(f"source and sidecar are both called {source!r}: name another collection for the codes")
    check_whole("sample", sample, least=1)
    check_path("bundle_path", bundle_path)
    fields = None if fields is None else listed("fields", fields, "names")
    connection = Connection(**where)
    try:
        found = look(connection, source, vector_field)
        sidecar = sidecars.read(connection, collection) if exists(connection, collection) else None
        if sidecar is None:
            sidecars.check_fields(found, fields or ())
        else:
            sidecars.check_source(sidecar, found, fields)
            read_bundle(bundle_path)  # its codes are there: others must not be learned beside them
        encoder = encoder_for(connection, found, Path(bundle_path), bits=bits, pairs_field=pairs_field, rows=sample)
        if sidecar is None:
            made_by = Provenance(encoder.bundle.name, encoder.fingerprint, encoder.check_bits(bits))
            sidecar = sidecars.create(connection, collection, found, made_by, fields or (), index)
        else:
            sidecars.check_encoder(sidecar, encoder, bits)
        return Merge(connection, found, sidecar, encoder, progress=progress, on_reject=on_reject, stop=stop).run()
    finally:
        connection.close()


@plain
def sync(
    collection: str,
    encoder: Encoder,
    *,
    progress: Callable[[int], None] | None = None,
    on_reject: Callable[[Reject], None] | None = None,
    stop: Callable[[], bool] | None = None,
    **where: Unpack[ConnectionOptions],
) -> Changes:
    """Bring sidecar ``collection`` up to its source: new, changed and deleted rows; ``source`` is only read.

    Both are read from end to end and compared; only differences are written.

    Args:
        collection: Name of the sidecar.
        encoder: Of the bundle that made its codes.
        progress: As for :func:`adopt`.
        on_reject: As for :func:`adopt`.
        stop: As for :func:`adopt`.
        where: Which Milvus, as :class:`~milvus_hash.store.address.ConnectionOptions` lists them.

    Raises:
        BundleMismatch: Another bundle made its codes, or the source has another metric or key now.
        StoreError: There is no such sidecar, its source is gone or not loaded, or Milvus failed.
    """
    check_encoder(encoder)
    connection = Connection(**where)
    try:
        sidecar = sidecars.read(connection, collection)
        sidecars.check_encoder(sidecar, encoder)
        found = look(connection, sidecar.adopted.source, sidecar.adopted.vector_field)
        sidecars.check_source(sidecar, found)
        check_width(encoder, found)
        connection.call(f"loading {collection!r}", "load_collection", collection)
        return Merge(connection, found, sidecar, encoder, progress=progress, on_reject=on_reject, stop=stop).run()
    finally:
        connection.close()
