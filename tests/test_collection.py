"""A collection on Milvus Lite and on a real server: what is written is what is found."""

from __future__ import annotations

import numpy as np
import pytest

from milvus_hash.collection import CodeRow, HashCollection, primary_key
from milvus_hash.errors import BundleMismatch, InputError, StoreError
from milvus_hash.media.modalities import MODALITIES

NASTY = [
    "it's",
    'say "hi"',
    "two\nlines\r\n",
    "a/b\\c",
    "rose 🌹 é 漢字",
    "'); DROP TABLE collections; --",
    "a#b#text#7",
    "100%25 %s _",
    "nul\x00inside",
    " ",
    "x" * 500,
    "🌹" * 1000,
]


def random_codes(count: int, bits: int = 64, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, bits // 8), dtype=np.uint8)


def rows_of(data: np.ndarray, modality: str = "image", **fields) -> list[CodeRow]:
    return [CodeRow(f"item {n}", modality, 0, code, {"number": n, **fields}) for n, code in enumerate(data)]


def test_rows_come_back_as_they_were_written(flat_store):
    collection = flat_store.create(fields={"year": int, "weight": float, "title": str, "free": bool})
    declared = {"year": 1999, "weight": 0.5, "title": 'it\'s "a" 漢字', "free": True}
    dynamic = {"text": "a red flower", "labels": ["x", "y"], "nested": {"a": [1, None]}}
    code = random_codes(1)[0]
    assert collection.add_codes([CodeRow("one", "text", 3, code, {**declared, **dynamic})]) == 1
    (row,) = collection.get(["one"])
    assert (row.item, row.modality, row.ordinal) == ("one", "text", 3)
    assert np.array_equal(row.code, code)
    assert row.fields == {**declared, **dynamic}
    (hit,) = collection.search(code=code, into="text")
    assert (hit.item, hit.modality, hit.ordinal, hit.distance, hit.score) == ("one", "text", 3, 0, 1.0)
    assert hit.fields == {**declared, **dynamic}


def test_any_text_can_be_an_item(flat_store):
    collection = flat_store.create()
    data = random_codes(len(NASTY))
    rows = [CodeRow(item, "image", 0, code, {"path": item}) for item, code in zip(NASTY, data, strict=True)]
    for _ in range(2):  # the second time replaces: on Milvus Lite that deletes by key, through SQL
        collection.add_codes(rows)
        assert collection.count() == len(NASTY)
    for item, code in zip(NASTY, data, strict=True):
        (row,) = collection.get([item])
        assert (row.item, row.fields["path"]) == (item, item)
        assert np.array_equal(row.code, code)
        assert collection.search(code=code, limit=1)[0].item == item
    keys = {primary_key(item, "image", 0) for item in NASTY}
    assert collection.existing([*keys, primary_key("absent", "image", 0)]) == keys


@pytest.mark.parametrize("item", ["", "x" * 4097, "lone \udce9 surrogate", None, 7])
def test_unusable_items_are_refused(item):
    with pytest.raises(InputError, match="item"):
        primary_key(item, "image", 0)


def test_writing_twice_leaves_the_same_rows(flat_store):
    collection = flat_store.create()
    data = random_codes(300)
    for _ in range(2):
        assert collection.add_codes(rows_of(data)) == 300
        assert collection.count() == 300
    changed = data.copy()
    changed[:100] ^= 255
    collection.add_codes(rows_of(changed, path="new"))
    assert collection.count() == 300
    for number in (0, 99, 100, 299):
        hit = collection.search(code=changed[number], limit=1)[0]
        assert (hit.item, hit.distance, hit.fields["path"]) == (f"item {number}", 0, "new")
    assert collection.search(code=data[0], limit=1)[0].distance > 0  # the replaced code is gone from the index


def test_a_row_that_is_written_again_has_nothing_of_the_old_one(flat_store):
    collection = flat_store.create(fields={"year": int})
    collection.add_codes([CodeRow("a", "image", 0, bytes(8), {"year": 1, "title": "old", "price": 3})])
    collection.add_codes([CodeRow("a", "image", 0, bytes(8), {"title": "new"})])
    assert [row.fields for row in collection.get(["a"])] == [{"title": "new"}]
    assert (collection.count(), collection.count("image"), collection.count("text")) == (1, 1, 0)


def test_of_repeated_rows_the_last_one_stays(flat_store, monkeypatch):
    monkeypatch.setattr("milvus_hash.store.limits.ROWS_WRITTEN", 4)  # repeats within a batch, and across batches
    collection = flat_store.create()
    data = random_codes(11)
    rows = [CodeRow("same", "image", 0, code, {"number": n}) for n, code in enumerate(data)]
    others = [CodeRow(f"other {n}", "image", 0, code) for n, code in enumerate(random_codes(9, seed=1))]
    mixed = [row for pair in zip(rows, others, strict=False) for row in pair] + rows[9:]
    assert collection.add_codes(mixed) == 20
    assert collection.count() == 10
    (row,) = collection.get(["same"])
    assert np.array_equal(row.code, data[-1])
    assert row.fields == {"number": 10}
    assert [hit.item for hit in collection.search(code=data[-1], limit=20)].count("same") == 1


@pytest.mark.parametrize(
    ("code", "message"),
    [
        pytest.param(b"1234", "has 32 bits, the collection 64", id="short"),
        pytest.param(bytes(16), "has 128 bits, the collection 64", id="long"),
        pytest.param(np.zeros(4, np.uint8), "has 32 bits", id="short-array"),
        pytest.param(np.zeros(64, np.uint8), "has 512 bits", id="unpacked"),
        pytest.param(np.zeros(64, bool), "the code is bool", id="bool"),
        pytest.param(np.zeros(8, np.int64), "the code is int64", id="int64"),
        pytest.param(np.zeros(8, np.float32), "the code is float32", id="float"),
        pytest.param(np.zeros((1, 8), np.uint8), "the code is uint8 \\(1, 8\\)", id="matrix"),
        pytest.param([0] * 8, "the code is list", id="list"),
        pytest.param(None, "the code is NoneType", id="none"),
    ],
)
def test_wrong_codes_never_leave(empty_collection, code, message):
    with pytest.raises(InputError, match=message):
        empty_collection.add_codes([CodeRow("good", "image", 0, bytes(8)), CodeRow("bad", "image", 0, code)])
    assert empty_collection.count() == 0


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (CodeRow("a", "sound", 0, bytes(8)), "unknown modality 'sound'"),
        (CodeRow("a", "image", -1, bytes(8)), "ordinal -1"),
        (CodeRow("a", "image", True, bytes(8)), "ordinal True"),
        (CodeRow("a", "image", 0, bytes(8), {"pk": "x", "code": 1}), "field name\\(s\\) code, pk"),
    ],
)
def test_wrong_rows_are_refused(empty_collection, row, message):
    with pytest.raises(InputError, match=message):
        empty_collection.add_codes([row])


def test_arrays_that_are_views_are_written_right(lite_store):
    """Every second byte, in reverse: not contiguous, which pymilvus would not notice."""
    collection = lite_store.create()
    code = random_codes(1, bits=128)[0][::-2]
    collection.add_codes([CodeRow("view", "image", 0, code)])
    assert np.array_equal(collection.get(["view"])[0].code, code)


def test_large_rows_are_split_by_bytes(flat_store):
    collection = flat_store.create()
    rows = (CodeRow(f"{n}", "text", 0, bytes(8), {"text": "é" * 30_000}) for n in range(1200))
    assert collection.add_codes(rows) == 1200  # 72 MB: more than a server takes in one request
    assert collection.count("text") == 1200


def test_a_failing_source_keeps_what_was_sent(lite_store, monkeypatch):
    monkeypatch.setattr("milvus_hash.store.limits.ROWS_WRITTEN", 10)

    def source():
        yield from rows_of(random_codes(25))
        raise OSError("the disk is gone")

    collection = lite_store.create()
    with pytest.raises(OSError, match="the disk is gone"):
        collection.add_codes(source())
    assert collection.count() == 20


def test_a_refused_batch_stops_the_writing(lite_store, monkeypatch):
    monkeypatch.setattr("milvus_hash.store.limits.ROWS_WRITTEN", 10)
    collection = lite_store.create(fields={"year": int})
    collection.fields = {}  # so that Milvus refuses what would be refused before it goes out
    taken = []

    def source():
        for number, row in enumerate(rows_of(random_codes(100), year=1)):
            taken.append(number)
            yield CodeRow(row.item, "image", 0, row.code, {"year": "no number" if number == 15 else 1})

    with pytest.raises(StoreError, match="writing to"):
        collection.add_codes(source())
    assert collection.count() == 10
    assert len(taken) < 50


def test_modalities_are_counted_apart_and_get_narrows(flat_store):
    collection = flat_store.create()
    data = random_codes(6)
    rows = [CodeRow("a", "text", n, code) for n, code in enumerate(data[:3])]
    rows += [CodeRow("a", "image", 0, data[3]), CodeRow("a%", "image", 0, data[4]), CodeRow("ab", "text", 0, data[5])]
    collection.add_codes(rows)
    assert [collection.count(), collection.count("text"), collection.count("image")] == [6, 4, 2]
    assert collection.count("text", "ordinal > 0") == 2
    found = [(row.item, row.modality, row.ordinal) for row in collection.get(["a"])]
    assert found == [("a", "image", 0), ("a", "text", 0), ("a", "text", 1), ("a", "text", 2)]
    assert [row.item for row in collection.get(["ab", "a%"], modality="image")] == ["a%"]
    assert collection.get(["absent"]) == []
    with pytest.raises(InputError, match="write \\['a'\\]"):
        collection.get("a")


def test_get_of_many_items(flat_store):
    collection = flat_store.create()
    data = random_codes(300)
    collection.add_codes(rows_of(data))
    found = {row.item: bytes(row.code) for row in collection.get([f"item {n}" for n in range(300)])}
    assert found == {f"item {n}": code.tobytes() for n, code in enumerate(data)}


def test_more_keys_than_one_filter_takes(flat_store):
    collection = flat_store.create()
    collection.add_codes(rows_of(random_codes(9000)))
    keys = [primary_key(f"item {n}", "image", 0) for n in range(20_000)]
    assert collection.existing(keys) == set(keys[:9000])
    with pytest.raises(InputError, match="not a primary key"):
        collection.existing(["it's"])


def test_opening_again_finds_everything(store, tiny_encoder):
    collection = store.create(bits=32, fields={"year": int})
    data = random_codes(50, bits=32)
    collection.add_codes(rows_of(data, year=5))
    collection.close()
    with HashCollection.open(collection.name, tiny_encoder, uri=store.uri) as again:
        assert (again.bits, again.index, again.fields) == (32, store.index, {"year": int})
        assert again.search(code=data[7], limit=1)[0].item == "item 7"  # at once: the first read is a strong one
        assert again.count() == 50


def test_a_bundle_of_another_fingerprint_is_refused(lite_store, tiny_encoder, other_encoder):
    collection = lite_store.create()
    with pytest.raises(BundleMismatch) as caught:
        HashCollection.open(collection.name, other_encoder, uri=lite_store.uri)
    for word in ("tiny", tiny_encoder.fingerprint, "other", other_encoder.fingerprint, collection.name):
        assert word in str(caught.value)


def test_names_that_exist_and_names_that_do_not(flat_store, tiny_encoder):
    collection = flat_store.create()
    assert HashCollection.exists(collection.name, uri=flat_store.uri)
    with pytest.raises(StoreError, match=r"exists in .*HashCollection\.open"):
        HashCollection.create(collection.name, tiny_encoder, uri=flat_store.uri)
    collection.drop()
    assert not HashCollection.exists(collection.name, uri=flat_store.uri)
    with pytest.raises(StoreError, match="there is no collection"):
        HashCollection.open(collection.name, tiny_encoder, uri=flat_store.uri)


def test_a_foreign_collection_is_refused(lite_store, tiny_encoder):
    collection = lite_store.create()
    client = collection.table.connection.client
    client.create_collection("foreign", dimension=8, timeout=30)
    try:
        with pytest.raises(StoreError, match="was not made by milvus-hash"):
            HashCollection.open("foreign", tiny_encoder, uri=lite_store.uri)
    finally:
        client.drop_collection("foreign", timeout=30)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bits": 48}, r"it lists \[32, 64\]"),
        ({"index": "SCANN"}, "use auto, BIN_FLAT, BIN_IVF_FLAT, HNSW"),
        ({"index": "BIN_IVF_FLAT"}, "Milvus Lite has no BIN_IVF_FLAT"),
        ({"fields": {"code": int}}, "uses this name itself"),
        ({"fields": {"when": list}}, "can be declared"),
        ({"timeout": 0}, "seconds above 0"),
    ],
)
def test_what_cannot_be_created(lite_uri, tiny_encoder, options, message):
    with pytest.raises((InputError, StoreError), match=message):
        HashCollection.create("never", tiny_encoder, uri=lite_uri, **options)
    assert not HashCollection.exists("never", uri=lite_uri)


def test_every_modality_has_a_partition_of_its_own(server_uri, tiny_encoder):
    rows = [row for modality in MODALITIES for row in rows_of(random_codes(30), modality)]
    with HashCollection.create("parts", tiny_encoder, uri=server_uri, timeout=60) as collection:
        try:
            for _ in range(2):  # the second time replaces, in the partition of each row
                collection.add_codes(rows)
            for modality in MODALITIES:
                found = collection.table.connection.client.query(
                    "parts", partition_names=[modality], output_fields=["modality"], filter='pk > ""', timeout=60
                )
                assert [row["modality"] for row in found] == [modality] * 30
            assert collection.count() == len(rows)
        finally:
            collection.drop()


def test_add_encodes_records(lite_store, tmp_path):
    from PIL import Image

    from milvus_hash.record import Record

    for colour in ("red", "blue"):
        Image.new("RGB", (40, 30), colour).save(tmp_path / f"{colour}.png")
    collection = lite_store.create()
    counts = collection.add(
        Record(colour, image=str(tmp_path / f"{colour}.png"), texts=(colour,)) for colour in ("red", "blue")
    )
    assert (counts.written, counts.rejected) == (4, 0)
    assert [hit.item for hit in collection.search(text="red", into="image", limit=1)] == ["red"]
    assert [hit.item for hit in collection.search(image=tmp_path / "blue.png", into="text", limit=1)] == ["blue"]
