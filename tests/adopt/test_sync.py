"""A sidecar is brought up to its source, whatever happened to either."""

from __future__ import annotations

import numpy as np
import pytest
from float_collection import clustered, float_collection, small_pages
from which_lite import IS_THREE

from milvus_hash.adopt import AdoptedCollection, Changes, adopt, merge, sync
from milvus_hash.adopt.source import Chunk
from milvus_hash.errors import StoreError
from milvus_hash.store import limits
from milvus_hash.store.connection import Connection


@pytest.fixture(autouse=True)
def several_pages(monkeypatch):
    """So that 600 rows take several pages."""
    small_pages(monkeypatch, 60_000)


def codes_of(encoder, vectors):
    return [code.tobytes() for code in encoder.encode_vectors(vectors)]


def test_new_changed_and_deleted_rows_are_caught_up(floats, vector_bundle, vector_encoder):
    options = {"collection": floats.codes, "bundle_path": vector_bundle, "fields": ["price"], "uri": floats.uri}
    assert adopt(floats.name, "vector", **options) == Changes(added=600)
    assert sync(floats.codes, vector_encoder, uri=floats.uri) == Changes(unchanged=600)
    vectors = clustered(600)
    floats.delete([10, 1000, 1010, 1020, 6000])  # the first, the last, and some between
    floats.put([1, 15, 7000], -vectors[:3], [1, 2, 3])
    floats.put([500], -vectors[49:50], [49])
    floats.put([510], vectors[50:51], [777])
    assert sync(floats.codes, vector_encoder, uri=floats.uri) == Changes(3, 2, 5, 593)
    stored = floats.stored_codes("price")
    source = floats.stored(fields=("id", "vector", "price"))
    wanted = dict(
        zip(source, codes_of(vector_encoder, np.stack([row["vector"] for row in source.values()])), strict=True)
    )
    assert stored == {key: (wanted[key], row["price"]) for key, row in source.items()}


def test_rows_that_fill_the_sidecar_beyond_the_source_are_deleted(lite_floats, vector_bundle, vector_encoder):
    options = {"collection": lite_floats.codes, "bundle_path": vector_bundle, "uri": lite_floats.uri}
    adopt(lite_floats.name, "vector", **options)
    lite_floats.delete(range(30, 6010, 10))
    assert sync(lite_floats.codes, vector_encoder, uri=lite_floats.uri) == Changes(deleted=598, unchanged=2)
    lite_floats.delete([10, 20])
    assert sync(lite_floats.codes, vector_encoder, uri=lite_floats.uri) == Changes(deleted=2)
    assert lite_floats.stored_codes() == {}


def test_an_interrupted_adoption_goes_on(floats, vector_bundle, vector_encoder):
    options = {"collection": floats.codes, "bundle_path": vector_bundle, "uri": floats.uri}
    done = []
    first = adopt(floats.name, "vector", **options, progress=done.append, stop=lambda: len(done) == 2)
    assert first == Changes(added=sum(done))
    assert 0 < first.added < 600
    assert adopt(floats.name, "vector", **options) == Changes(added=600 - first.added, unchanged=first.added)
    assert [code for (code,) in floats.stored_codes().values()] == codes_of(vector_encoder, clustered(600))


def test_an_adoption_that_fails_midway_goes_on(lite_floats, vector_bundle, monkeypatch):
    options = {"collection": lite_floats.codes, "bundle_path": vector_bundle, "uri": lite_floats.uri}
    call, writes = Connection.call, []

    def failing(self, doing, method, *args, **kwargs):
        if method == "upsert":
            writes.append(doing)
            if len(writes) == 2:
                raise StoreError("the server stopped")
        return call(self, doing, method, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(merge.Connection, "call", failing)
        with pytest.raises(StoreError, match="the server stopped"):
            adopt(lite_floats.name, "vector", **options)
    changes = adopt(lite_floats.name, "vector", **options)
    assert changes.added + changes.unchanged == 600
    assert changes.unchanged > 0
    assert changes.added > 0


def test_vectors_that_have_no_code_are_rejected_and_their_old_codes_removed(lite_floats, vector_bundle, vector_encoder):
    options = {"collection": lite_floats.codes, "bundle_path": vector_bundle, "uri": lite_floats.uri}
    bad = clustered(3)
    bad[0], bad[1, 7], bad[2, 0] = 0, np.nan, np.inf
    lite_floats.put([1, 2, 3], bad)
    rejects = []
    assert adopt(lite_floats.name, "vector", **options, on_reject=rejects.append) == Changes(added=600, rejected=3)
    assert [reject.id for reject in rejects] == ["1", "2", "3"]
    assert "all zeros" in rejects[0].reason
    assert "NaN" in rejects[1].reason
    lite_floats.put([500], np.zeros((1, 64), np.float32))
    assert sync(lite_floats.codes, vector_encoder, uri=lite_floats.uri) == Changes(deleted=1, unchanged=599, rejected=4)
    assert 500 not in lite_floats.stored_codes()


def test_an_empty_source_gets_an_empty_sidecar(lite_floats, vector_bundle):
    lite_floats.delete(range(10, 6010, 10))
    options = {"collection": lite_floats.codes, "bundle_path": vector_bundle, "uri": lite_floats.uri}
    assert adopt(lite_floats.name, "vector", **options) == Changes()


def test_texts_of_any_length_are_copied(lite_floats, vector_bundle, monkeypatch):
    monkeypatch.setattr(limits, "BYTES", 20_000)
    rows = [
        {"id": 10 * n + 10, "vector": vector, "price": n, "name": "é" * (n % 200)}
        for n, vector in enumerate(clustered(600))
    ]
    lite_floats.client.upsert(lite_floats.name, rows)
    options = {"collection": lite_floats.codes, "bundle_path": vector_bundle, "uri": lite_floats.uri}
    assert adopt(lite_floats.name, "vector", fields=["name"], **options) == Changes(added=600)
    assert {key: name for key, (_, name) in lite_floats.stored_codes("name").items()} == {
        row["id"]: row["name"] for row in rows
    }


def test_nothing_is_deleted_that_the_source_still_has(lite_floats, vector_bundle, vector_encoder, monkeypatch):
    """Even where a walk over the source misses rows, as one did where a segment ended."""
    options = {"collection": lite_floats.codes, "bundle_path": vector_bundle, "fields": ["price"]}
    adopt(lite_floats.name, "vector", **options, uri=lite_floats.uri)
    whole = merge.walk

    def with_gaps(*args, **kwargs):
        for chunk in list(whole(*args, **kwargs))[:-1]:
            some = slice(None, None, 2)
            yield Chunk(chunk.keys[some], chunk.vectors[some], chunk.fields[some])

    lite_floats.delete([20, 5990])
    lite_floats.put([40, 6000], -clustered(2), [3, 599])
    with monkeypatch.context() as patch:
        patch.setattr(merge, "walk", with_gaps)
        found = sync(lite_floats.codes, vector_encoder, uri=lite_floats.uri)
    assert found == Changes(changed=2, deleted=2, unchanged=596)
    assert sync(lite_floats.codes, vector_encoder, uri=lite_floats.uri) == Changes(unchanged=598)


def test_keys_with_any_characters_are_adopted_found_and_deleted(backend, vector_bundle, vector_encoder, monkeypatch):
    keys = [f"a{chr(number)}b" for number in [*range(1, 48), 92, 127, 128, 0x2028]]
    keys += ["\\", "\\n", '"', "%", "\r\n", "z\r", "z\r\r"]
    with float_collection(backend, text_keys=True) as made:
        rows = [
            {"id": key, "vector": vector, "price": 0, "name": ""}
            for key, vector in zip(keys, clustered(len(keys)), strict=True)
        ]
        made.client.insert(made.name, rows)  # an upsert on Milvus Lite would read a quote as SQL
        rejects = []
        options = {"collection": made.codes, "bundle_path": vector_bundle, "uri": backend}
        for size in (3_000, 60_000):  # pages of nine rows, and one page
            small_pages(monkeypatch, size)
            adopt(made.name, "vector", **options, on_reject=rejects.append)
            left = [key for key in keys if key not in {reject.id for reject in rejects}]
            assert set(made.stored_codes()) == set(left)
            assert sync(made.codes, vector_encoder, uri=backend) == Changes(
                unchanged=len(left), rejected=len(keys) - len(left)
            )
        odd = {"a\rb", "a'b", "z\r", "z\r\r"} if backend.endswith(".db") and not IS_THREE else set()
        assert {reject.id for reject in rejects} == odd
        with AdoptedCollection.open(made.codes, vector_encoder, uri=backend) as adopted:
            answers = adopted.search_many(clustered(len(keys)), limit=1)
        assert [hits[0].pk for key, hits in zip(keys, answers, strict=True) if key in left] == left
        kept = {"a!b", "a'b"}  # Milvus Lite would read the quote in a key that it deletes as SQL
        made.client.delete(made.name, filter="""id not in ["a!b", "a'b"]""")
        assert sync(made.codes, vector_encoder, uri=backend).deleted == len(set(left) - kept)
        assert set(made.stored_codes()) == set(left) & kept
