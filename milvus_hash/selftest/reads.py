"""Checks that only read: searches, filters, partitions, codes, keys."""

from __future__ import annotations

import asyncio
import time

import numpy as np

from milvus_hash.async_collection import AsyncHashCollection
from milvus_hash.collection import HashCollection
from milvus_hash.errors import StoreError
from milvus_hash.media.modalities import MODALITIES
from milvus_hash.query.stored import as_bytes
from milvus_hash.selftest.bench import QUESTIONS, Bench
from milvus_hash.selftest.step import NotAvailable, expect
from milvus_hash.store.schema import primary_key
from milvus_hash.store.target import CODE

_NEAR = 40  # rows within the radius that is tried
_SHORT = 0.002  # seconds: a deadline that cannot be kept
_PROMPT = 5.0  # seconds after it by which a call has to have given up


def counts(bench: Bench) -> str:
    """Rows by modality."""
    for modality in ("image", "text"):
        found, right = bench.collection.count(modality), len(bench.of(modality))
        expect(found == right, f"{found} {modality} rows are counted, {right} were written")
    return f"{len(bench.rows):,} rows"


def exact_search(bench: Bench) -> str:
    """The nearest rows by BIN_FLAT."""
    return bench.check_exact()


def complete(bench: Bench) -> str:
    """The nearest rows with all ties of the last one."""
    questions, rows = bench.codes(QUESTIONS), bench.of("image")
    for near, hits in zip(
        bench.distances(questions, rows),
        bench.collection.search_codes(questions, limit=10, complete=True),
        strict=True,
    ):
        bound = np.sort(near)[9]
        right = {row.item for row, distance in zip(rows, near, strict=True) if distance <= bound}
        expect({hit.item for hit in hits} == right, f"{len(hits)} rows were found of {len(right)} up to the last tie")
    return f"{QUESTIONS} questions, every tie of the last row"


def radius(bench: Bench) -> str:
    """All rows within a distance."""
    question, rows = bench.codes(1), bench.of("image")
    near = bench.distances(question, rows)[0]
    bound = int(np.sort(near)[_NEAR])
    hits = bench.collection.within(bound, code=question[0])
    right = {row.item for row, distance in zip(rows, near, strict=True) if distance <= bound}
    expect({hit.item for hit in hits} == right, f"{len(hits)} rows were found of {len(right)} within {bound}")
    return f"all {len(right)} rows within {bound} bits"


def filters(bench: Bench) -> str:
    """A declared field, a dynamic one, and both."""
    rows = bench.of("image")
    for text, right in {
        "shade == 3": [row for row in rows if row.fields["shade"] == 3],
        'tag in ["t1", "t4"]': [row for row in rows if row.fields["tag"] in ("t1", "t4")],
        'shade < 2 and tag == "t0"': [row for row in rows if row.fields["shade"] < 2 and row.fields["tag"] == "t0"],
    }.items():
        bench.check_exact(rows=right, filter=text)
        found = bench.collection.count("image", text)
        expect(found == len(right), f"{text!r} counts {found} rows of {len(right)}")
    return "on declared and on dynamic fields"


def filter_templates(bench: Bench) -> str:
    """``filter_params``."""
    if not bench.features.get("filter templates", True):
        raise NotAvailable("servers have them from Milvus 2.5 on")
    right = [row for row in bench.of("image") if row.fields["shade"] == 3]
    return bench.check_exact(rows=right, filter="shade == {wanted}", filter_params={"wanted": 3})


def partitions(bench: Bench) -> str:
    """Each modality is searched by itself."""
    bench.check_exact("text")
    if bench.connection.lite2:
        raise NotAvailable("Milvus Lite 2 has none; a filter on the modality finds the same")
    there = bench.connection.call("listing partitions", "list_partitions", bench.name)
    missing = [modality for modality in MODALITIES if modality not in there]
    expect(not missing, f"there is no partition {', '.join(missing)}")
    return f"{', '.join(MODALITIES)}; texts are found among texts"


def codes_in_answers(bench: Bench) -> str:
    """A search that returns the codes it found."""
    if bench.connection.lite2:
        raise NotAvailable("Milvus Lite 2 cannot return codes from a search; they are read by key")
    answer = bench.connection.call(
        "searching",
        "search",
        bench.name,
        data=[bench.codes(1)[0].tobytes()],
        limit=10,
        anns_field=CODE,
        output_fields=[CODE, "item", "modality"],
        consistency_level="Strong",
    )
    for hit in answer[0]:
        row = bench.rows[hit["entity"]["item"], hit["entity"]["modality"]]
        expect(as_bytes(hit["entity"][CODE]) == bytes(row.code), f"{row.item!r} came with another code than its own")
    return f"{len(answer[0])} codes, as written"


def keys(bench: Bench) -> str:
    """Rows by their keys."""
    some = bench.of("image")[::97]
    found = {row.item: bytes(row.code) for row in bench.collection.get([row.item for row in some], modality="image")}
    expect(found == {row.item: bytes(row.code) for row in some}, f"{len(found)} of {len(some)} rows came back right")
    wanted = {primary_key(row.item, "image", 0) for row in some}
    there = bench.collection.existing([*wanted, primary_key("nobody", "image", 0)])
    expect(there == wanted, f"{len(there)} keys are there, {len(wanted)} should be")
    return f"{len(some)} rows with codes and fields"


def another_client(bench: Bench) -> str:
    """A client that connects now sees all that was written."""
    where = {**bench.where, "timeout": bench.connection.timeout + 1}  # other options: a client of its own
    with HashCollection.open(bench.name, bench.encoder, **where) as other:  # type: ignore[arg-type]
        found = other.count()
    expect(found == len(bench.rows), f"it sees {found} rows of {len(bench.rows)}")
    return f"it sees all {found:,} rows at once"


def asyncio_client(bench: Bench) -> str:
    """The asyncio counterpart."""

    async def ask() -> int:
        collection = await AsyncHashCollection.open(bench.name, bench.encoder, **bench.where)
        try:
            answers = await asyncio.gather(*(collection.search_codes(bench.codes(1)) for _ in range(8)))
        finally:
            await collection.close()
        return sum(len(hits) for (hits,) in answers)

    found = asyncio.run(ask())
    expect(found == 80, f"8 searches at once gave {found} rows of 80")
    return "8 searches at once"


def deadline(bench: Bench) -> str:
    """A call that cannot be answered in time ends in time."""
    start = time.perf_counter()
    try:
        bench.connection.call("searching", "query", bench.name, filter="shade >= 0", limit=1000, timeout=_SHORT)
    except StoreError as error:
        took = time.perf_counter() - start
        expect(took < _PROMPT, f"a call of {_SHORT * 1000:g} ms ended after {took:.1f} s: {error}")
        return f"a call of {_SHORT * 1000:g} ms ended after {took * 1000:.0f} ms"
    return f"everything was answered within {_SHORT * 1000:g} ms"
