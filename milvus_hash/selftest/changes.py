"""Checks that write: segments, fresh rows, replaced and deleted ones, indexes, aliases."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from milvus_hash.collection import HashCollection
from milvus_hash.errors import StoreError
from milvus_hash.query.quoting import one_of
from milvus_hash.selftest import reads
from milvus_hash.selftest.bench import Bench
from milvus_hash.selftest.step import NotAvailable, Wrong, expect
from milvus_hash.store.building import rebuild, remember_search, wait_until_served
from milvus_hash.store.connection import Connection
from milvus_hash.store.index import Index, inverted_lists, resolve, with_search
from milvus_hash.store.schema import primary_key

_SEGMENTS = 3
_IMAGES = 1200  # of a segment: enough for Milvus to build an index over it
_TEXTS = 300
_LISTS = 32


def create(bench: Bench) -> str:
    """A collection with a declared field."""
    bench.create()
    return f"{bench.encoder.bits} bits, BIN_FLAT"


def write(bench: Bench) -> str:
    """Rows in several segments, which a flush ends, and some after it."""
    for number in range(_SEGMENTS):
        bench.write([*bench.new_rows(f"s{number}", "image", _IMAGES), *bench.new_rows(f"s{number}", "text", _TEXTS)])
        bench.collection.flush()
    bench.write(bench.new_rows("growing", "image", 200))
    return f"{_SEGMENTS} segments of {_IMAGES + _TEXTS:,} rows, 200 rows not flushed"


def growing(bench: Bench) -> str:
    """Rows that were written this moment are found."""
    rows = bench.new_rows("fresh", "image", 50)
    bench.write(rows)
    for row in rows[:10]:
        hit = bench.collection.search(code=bytes(row.code), limit=1)[0]
        expect(hit.distance == 0, f"{row.item!r} is not found by its own code just after it was written")
    return bench.check_exact()


def replaced(bench: Bench) -> str:
    """A row that is written again is there once, as written last."""
    old = bench.of("image")[:50]
    bench.write([replace(row, code=code) for row, code in zip(old, bench.codes(len(old)), strict=True)])
    reads.counts(bench)
    return bench.check_exact()


def deleted(bench: Bench) -> str:
    """Deleted rows are gone, before and after a flush."""
    gone = bench.of("image")[100:200]
    keys = [primary_key(row.item, "image", 0) for row in gone]
    some = one_of("pk", keys, lite=bench.connection.lite2)
    bench.connection.call("deleting rows", "delete", bench.name, filter=some)
    for row in gone:
        del bench.rows[row.item, "image"]
    bench.close()  # so that the next read is a strong one
    reads.counts(bench)
    bench.check_exact()
    bench.collection.flush()
    return bench.check_exact()


def inverted(bench: Bench) -> str:
    """BIN_IVF_FLAT, asked hard and less hard."""
    if bench.connection.lite:
        raise NotAvailable("Milvus Lite has BIN_FLAT alone")
    _rebuild(bench, inverted_lists(_LISTS))
    bench.check_exact(search_params={"nprobe": _LISTS})
    found = reads.radius(bench)
    less = bench.check_search(search_params={"nprobe": 4})
    return f"exact in all {_LISTS} lists, {less:.3f} of the ten nearest in 4 of them; {found}"


def graph(bench: Bench) -> str:
    """HNSW on codes, where Milvus announces it; older servers may end by it, so there it is not tried."""
    if not bench.features.get("HNSW on codes", False):
        raise NotAvailable("servers have it from Milvus 2.6.4 on: not tried here")
    _rebuild(bench, resolve("HNSW", lite=False))
    recall = bench.check_search(search_params={"ef": 512})
    expect(recall >= 0.9, f"only {recall:.3f} of the ten nearest rows were found with ef 512")
    return f"{recall:.3f} of the ten nearest with ef 512"


def automatic(bench: Bench) -> str:
    """AUTOINDEX, which is approximate."""
    if bench.connection.lite:
        raise NotAvailable("Milvus Lite has BIN_FLAT alone")
    _rebuild(bench, resolve("AUTOINDEX", lite=False))
    return f"{bench.check_search():.3f} of the ten nearest, every distance right"


def remembered(bench: Bench) -> str:
    """Search parameters that ``tune`` stores with the collection."""
    if bench.connection.lite:
        raise NotAvailable("Milvus Lite has one exact index")
    index = with_search(inverted_lists(_LISTS), {"nprobe": 7})
    _rebuild(bench, index)
    remember_search(bench.connection, bench.name, index)
    bench.close()
    kept = dict(bench.collection.table.target.params)
    if kept != {"nprobe": 7}:
        raise Wrong(f"what was stored is nprobe 7, what came back is {kept}")
    return "stored with the collection, and read back"


def alias(bench: Bench) -> str:
    """Another name for the collection."""
    if bench.connection.lite2:
        raise NotAvailable("Milvus Lite 2 has none")
    other = f"{bench.name}_alias"
    bench.connection.call("making an alias", "create_alias", collection_name=bench.name, alias=other)
    try:
        with HashCollection.open(other, bench.encoder, **bench.where) as found:
            expect(found.name == bench.name, f"behind the alias is {found.name!r}")
            expect(found.count() == len(bench.rows), "rows are missing behind the alias")
    finally:
        bench.connection.call("dropping the alias", "drop_alias", alias=other)
    return "made, opened by, dropped"


def drop(bench: Bench) -> str:
    """The collection is gone when it was dropped."""
    bench.close()
    remove(bench.connection, bench.name)
    there = bench.connection.call("looking for the collection", "has_collection", bench.name)
    expect(not there, f"collection {bench.name!r} is still there: drop it by hand")
    return "nothing is left"


def remove(connection: Connection, name: str) -> None:
    """Drop a collection of a self-test, and its alias where one is left."""
    if not connection.lite2:
        with suppress(StoreError):
            connection.call("dropping the alias", "drop_alias", alias=f"{name}_alias")
    connection.call("dropping the collection", "drop_collection", name)


def _rebuild(bench: Bench, index: Index) -> None:
    bench.collection.flush()
    rebuild(bench.connection, bench.name, index, lambda remark: None)
    bench.close()  # to open it with what its index is now
    wait_until_served(bench.connection, bench.name)
