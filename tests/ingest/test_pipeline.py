"""Records to rows, on Milvus Lite and on a server: what is written, skipped, rejected, and when it ends."""

from __future__ import annotations

import datetime
from itertools import count

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
        ("1", "gone.png", "gone.png does not exist"),
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
    assert [reject.id for reject in rejects] == ["c", "d", "e"]
    assert "'year' (int) is missing" in rejects[0].reason
    assert "column 'blob'" in rejects[1].reason
    assert "path" in rejects[2].reason


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
