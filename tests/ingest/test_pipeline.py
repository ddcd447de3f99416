"""Records to rows, on Milvus Lite and on a server: what is written, skipped, rejected, and when it ends."""

from __future__ import annotations

import datetime
import functools
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from milvus_hash.errors import InputError
from milvus_hash.ingest import ingest
from milvus_hash.record import Record, Reject


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for number in range(12):
        Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(folder / f"{number}.png")
    return [str(folder / f"{number}.png") for number in range(12)]


@pytest.fixture
def rejects() -> list[Reject]:
    return []


def codes(collection, items):
    return {(row.item, row.modality, row.ordinal): bytes(row.code) for row in collection.get(items)}


def test_one_row_per_item_modality_and_ordinal(flat_store, tiny_encoder, pictures):
    collection = flat_store.create()
    record = Record("a", image=pictures[0], texts=("a red rose", "a bus"), labels=("flower",), metadata={"year": 2004})
    counts = ingest([record], collection)
    assert (counts.written, counts.skipped, counts.rejected) == (3, 0, 0)
    assert codes(collection, ["a"]) == {
        ("a", "image", 0): tiny_encoder.encode_images([pictures[0]]).tobytes(),
        ("a", "text", 0): tiny_encoder.encode_texts(["a red rose"]).tobytes(),
        ("a", "text", 1): tiny_encoder.encode_texts(["a bus"]).tobytes(),
    }
    fields = {(row.modality, row.ordinal): row.fields for row in collection.get(["a"])}
    shared = {"labels": ["flower"], "year": 2004}
    assert fields == {
        ("image", 0): {**shared, "path": pictures[0]},
        ("text", 0): {**shared, "text": "a red rose"},
        ("text", 1): {**shared, "text": "a bus"},
    }


def test_texts_longer_than_the_bundle_reads_are_counted(lite_store):
    collection = lite_store.create()
    long = "a red flower and a blue bus with the cat"
    records = [Record("a", texts=(long, "red", long)), Record("b", texts=("blue",))]
    counts = ingest(records, collection)
    assert (counts.written, counts.cut) == (4, 2)
    assert ingest(records, collection, resume=True).cut == 0


def test_a_bad_picture_costs_its_own_row_only(flat_store, tiny_encoder, pictures, rejects):
    collection = flat_store.create()
    records = [
        Record("0", image=pictures[0], texts=("a cat",)),
        Record("1", image="gone.png", texts=("a dog", "", "a bird")),
        Reject("2", "m.csv:3", "the row is broken"),
        Record("3", image=pictures[3]),
    ]
    counts = ingest(records, collection, on_reject=rejects.append)
    assert (counts.written, counts.rejected) == (5, 3)
    assert sorted((r.id, r.path, r.reason) for r in rejects) == [
        ("1", "", "text 1: the text is empty"),
        ("1", "gone.png", f"gone.png does not exist; it is looked for in {Path.cwd()}"),
        ("2", "m.csv:3", "the row is broken"),
    ]
    found = codes(collection, ["0", "1", "2", "3"])
    assert set(found) == {("0", "image", 0), ("0", "text", 0), ("1", "text", 0), ("1", "text", 2), ("3", "image", 0)}
    assert found["3", "image", 0] == tiny_encoder.encode_images([pictures[3]]).tobytes()
    assert found["1", "text", 2] == tiny_encoder.encode_texts(["a bird"]).tobytes()


def test_running_again_changes_nothing_and_resume_skips(flat_store, pictures):
    collection = flat_store.create()
    records = [Record(str(n), image=path, texts=("a house",)) for n, path in enumerate(pictures)]
    assert ingest(records[:5], collection).written == 10
    resumed = ingest(records, collection, resume=True)
    assert (resumed.written, resumed.skipped) == (14, 10)
    again = ingest(records, collection)
    assert (again.written, again.skipped) == (24, 0)
    assert collection.count() == 24


def test_declared_fields_are_filtered_and_others_are_dynamic(flat_store, rejects):
    collection = flat_store.create(fields={"year": int, "licence": str})
    day = datetime.date(2004, 2, 29)
    records = [
        Record("a", texts=("a cat",), metadata={"year": "2004", "licence": "CC0", "added": day, "price": float("nan")}),
        Record("b", texts=("a cat",), metadata={"year": 2005, "licence": "CC0", "size": {"w": 3}}),
        Record("c", texts=("a cat",), metadata={"licence": "CC0"}),
        Record("d", texts=("a cat",), metadata={"year": 1, "licence": "CC0", "blob": b"\xff"}),
        Record("e", texts=("a cat",), metadata={"year": 1, "licence": "CC0", "path": "taken"}),
    ]
    ingest(records, collection, on_reject=rejects.append)
    hits = collection.search(text="a cat", into="text", filter="year >= 2004 and licence == 'CC0'")
    assert [(hit.item, hit.fields["year"]) for hit in hits] == [("a", 2004), ("b", 2005)]
    assert hits[0].fields["added"] == "2004-02-29"
    assert hits[1].fields["size"] == {"w": 3}
    assert [reject.id for reject in rejects] == ["d", "e"]
    assert "column 'blob'" in rejects[0].reason
    assert "path" in rejects[1].reason


def test_a_row_without_a_declared_field_is_found_and_does_not_have_it(flat_store):
    """Neither Milvus Lite nor 2.3 has nulls, so something stands in the field; reads leave it out."""
    kinds = {"price": float, "year": int, "brand": str, "sold": bool}
    collection = flat_store.create(fields=kinds)
    full = {"price": 5.5, "year": 1999, "brand": "x", "sold": True}
    records = [Record("bare", texts=("a cat",)), Record("full", texts=("a cat",), metadata=full)]
    assert ingest(records, collection).written == 2
    bare, other = collection.search(text="a cat", into="text")
    assert {name: bare.fields[name] for name in kinds if name in bare.fields} == {"sold": False}
    assert {name: other.fields[name] for name in kinds} == full
    assert collection.within(0, text="a cat", into="text", output_fields=["price"])[0].fields == {}
    stored = collection.get(["bare", "full"])
    assert set(kinds) & set(stored[0].fields) == {"sold"}
    for condition, found in {
        "price < 80": ["full"],
        "price > 0": ["full"],
        "year > 0 and year < 2000": ["full"],
        'brand == ""': ["bare"],
        "sold == true": ["full"],
    }.items():
        hits = collection.search(text="a cat", into="text", filter=condition)
        assert [hit.item for hit in hits] == found, condition
    assert collection.add_codes([*stored, replace(stored[0], item="none", fields={"year": None})]) == 3
    assert collection.get(["bare"])[0].fields == stored[0].fields


def test_odd_objects_cost_themselves(lite_store, rejects, pictures):
    collection = lite_store.create()
    deep = functools.reduce(lambda inner, _: [inner], range(2000), 1)
    odd = [
        {"id": "2", "text": "a cat"},
        "a cat",
        Record(None, texts=("a cat",)),
        Record(7, texts=("a cat",)),
        Record("1", image=5),
        Record("2", image=np.zeros((4, 4, 3))),
        Record("3", video=["clip.mp4"]),
        Record("4", texts=(text for text in ("a cat",))),
        Record("5", texts={"a cat"}),
        Record("6", texts=(b"a cat",)),
        Record("7", texts=("a cat",), labels=7),
        Record("8", texts=("a cat",), labels=("\ud800",)),
        Record("9", texts=("a cat",), metadata=None),
        Record("10", texts=("a cat",), metadata=[("a", 1)]),
        Record("11", texts=("a cat",), metadata={"\ud800": 1}),
        Record("12", texts=("a cat",), metadata={"m": deep}),
        Record("13", texts=("a cat",), metadata={"m": 10**5000}),
        Record("14", texts=("a cat",), metadata={"m": np.complex128(1j)}),
        Record("15", image="\udcff.png"),
        Record("16", image="a\0.png"),
    ]
    good = [Record(str(1000 + n), texts=("a cat",)) for n in range(len(odd) + 1)]
    between = [record for pair in zip(good, odd, strict=False) for record in pair]
    counts = ingest([*between, good[-1]], collection, on_reject=rejects.append)
    assert (counts.written, counts.rejected) == (len(good), len(odd))
    assert all(isinstance(reject.id, str) and isinstance(reject.path, str) and reject.reason for reject in rejects)


def test_what_stands_alone_is_one_and_pictures_in_memory_have_no_path(lite_store, pictures):
    collection = lite_store.create()
    with Image.open(pictures[0]) as picture:
        records = [
            Record("text", texts="a red bus", labels="bus", splits="train"),
            Record("bytes", image=Path(pictures[0]).read_bytes()),
            Record("pillow", image=picture),
            Record("path", image=Path(pictures[0]), texts=None),
        ]
        assert ingest(records, collection).written == 4
    assert records[0].splits == ("train",)
    (text,) = collection.get(["text"])
    assert (text.fields["text"], text.fields["labels"]) == ("a red bus", ["bus"])
    paths = {row.item: row.fields["path"] for row in collection.get(["bytes", "pillow", "path"])}
    assert paths == {"bytes": "", "pillow": "", "path": str(pictures[0])}


def test_rows_up_to_the_limit_of_the_dynamic_field_are_stored_and_larger_ones_are_rejects(flat_store, rejects):
    """Escapes, names and all, the limit is counted as Milvus counts it."""
    collection = flat_store.create()
    makers = [
        lambda n: {"m": "x" * n},
        lambda n: {"m": "\x01" * (n // 6)},
        lambda n: {"m": '"' * (n // 2)},
        lambda n: {"m": "\N{GRINNING FACE}" * (n // 4)},
        lambda n: {"m": [1.0] * (n // 4)},
        lambda n: {f"{k:05}": k % 10 for k in range(n // 10)},
    ]
    sizes = range(65_440, 65_560, 12)
    records = [
        Record(f"{number} {size}", texts=("a cat",), metadata=make(size))
        for number, make in enumerate(makers)
        for size in sizes
    ]
    counts = ingest(records, collection, on_reject=rejects.append)
    assert counts.written + counts.rejected == len(records)
    assert all("Milvus holds 65,536" in reject.reason for reject in rejects)
    assert {int(reject.id[0]) for reject in rejects} == set(range(len(makers)))
    assert collection.count() == counts.written >= len(makers)


def test_a_reserved_column_of_the_first_record_stops_at_once(flat_store):
    collection = flat_store.create()
    with pytest.raises(InputError, match=r"path, pk: .* rename"):
        ingest([Record("a", texts=("a cat",), metadata={"path": "x", "pk": "y"})], collection)
    assert collection.count() == 0


def test_rows_that_milvus_would_refuse_are_rejects(flat_store, rejects):
    collection = flat_store.create()
    records = [
        Record("", texts=("a cat",)),
        Record("x" * 5000, texts=("a cat",)),
        Record("\ud800", texts=("a cat",)),
        Record("big", texts=("a cat",), metadata={"note": "x" * 70_000}),
        Record("nothing"),
        Record("clip", video="clip.mp4"),
        Record("fine", texts=("a cat",)),
    ]
    counts = ingest(records, collection, on_reject=rejects.append)
    assert (counts.written, counts.rejected) == (1, 6)
    reasons = {reject.id: reject.reason for reject in rejects}
    assert "bytes as JSON" in reasons["big"]
    assert "no picture, no clip and no text" in reasons["nothing"]
    assert "cannot encode video; it has image, text" in reasons["clip"]


def test_of_equal_ids_the_last_one_stays(flat_store, tiny_encoder):
    collection = flat_store.create()
    ingest([Record("a", texts=("a cat",)), Record("a", texts=("a dog",))], collection)
    assert collection.count() == 1
    assert codes(collection, ["a"])["a", "text", 0] == tiny_encoder.encode_texts(["a dog"]).tobytes()


def test_progress_counts_every_input(flat_store, pictures):
    collection = flat_store.create()
    steps: list[int] = []
    records = [Record("0", image=pictures[0], texts=("a cat", "")), Record("1", image="gone"), Reject("2", "", "bad")]
    ingest(records, collection, progress=steps.append)
    assert sum(steps) == 5
    steps.clear()
    ingest(records, collection, progress=steps.append, resume=True)
    assert sum(steps) == 5


def test_stop_writes_what_was_encoded_and_ends(flat_store, pictures):
    collection = flat_store.create()
    read = 0

    def endless():
        nonlocal read
        for number in count():
            read += 1
            yield Record(str(number), image=pictures[number % 12])

    done: list[int] = []
    counts = ingest(endless(), collection, progress=done.append, stop=lambda: len(done) >= 100)
    assert counts.written == collection.count() == sum(done)
    assert 100 <= counts.written <= 100 + 5 * collection.encoder.batch_size
    assert read < 10_000


@pytest.mark.parametrize("error", [InputError("the table ends here"), KeyboardInterrupt("the table ends here")])
def test_an_error_of_the_source_leaves_what_was_read_before(flat_store, error):
    collection = flat_store.create()

    def broken():
        yield from (Record(str(n), texts=("a cat",)) for n in range(5000))
        raise error

    with pytest.raises(type(error), match="the table ends here"):
        ingest(broken(), collection)
    assert collection.count() >= 4096  # whole chunks that were read


def test_records_are_read_as_they_are_needed(flat_store):
    """A long source costs no more memory than a short one."""
    collection = flat_store.create()
    process = psutil.Process()

    def records(number):
        return (Record(str(n % 50), texts=("a cat",), metadata={"note": "x" * 1000}) for n in range(number))

    ingest(records(12_000), collection)
    before = process.memory_info().rss
    ingest(records(60_000), collection)
    assert process.memory_info().rss - before < 40_000_000  # the source alone is 60 MB


def test_nothing_in_nothing_out(flat_store):
    assert ingest([], flat_store.create()).written == 0
