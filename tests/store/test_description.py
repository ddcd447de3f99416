"""What is read of a collection, also of one from an earlier release, and of one that a later one will have made."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pytest

from milvus_hash.collection import CodeRow, HashCollection
from milvus_hash.encoder import Encoder
from milvus_hash.errors import StoreError
from milvus_hash.health import examine
from milvus_hash.media.modalities import MODALITIES
from milvus_hash.store import catalog
from milvus_hash.store.description import describe
from milvus_hash.store.repair import repair
from milvus_hash.store.schema import Provenance, build_schema

ROWS = [CodeRow(f"{modality}-{n}", modality, 0, np.full(8, n, np.uint8)) for modality in MODALITIES for n in range(20)]


@pytest.fixture
def before_videos(server_uri: str, tiny_encoder: Encoder, monkeypatch) -> Iterator[HashCollection]:
    """A collection that a release made which knew pictures and texts only."""
    with monkeypatch.context() as then:
        then.setattr(catalog, "MODALITIES", ("image", "text"))
        made = HashCollection.create("before_videos", tiny_encoder, uri=server_uri, timeout=60)
    yield made
    made.drop()


def test_a_modality_that_came_later_needs_no_partition(before_videos: HashCollection, tiny_encoder: Encoder):
    before_videos.add_codes(ROWS)
    link = before_videos.table.connection
    assert describe(link, before_videos.name).partitions == ("image", "text")
    assert repair(link, before_videos.name) == []
    assert set(link.call("listing", "list_partitions", before_videos.name)) == {"_default", "image", "text"}
    with HashCollection.open(before_videos.name, tiny_encoder, uri=before_videos.uri, timeout=60) as opened:
        for modality in MODALITIES:
            assert opened.count(modality) == 20
            assert opened.search_codes(ROWS[0].code[None], into=modality, limit=20)[0][0].item == f"{modality}-0"
        assert opened.delete(modality="video", filter='item >= "video-1"') == 19
        assert opened.count("video") == 1
    rows = {**dict.fromkeys(MODALITIES, 20), "video": 1}
    assert dict(examine(before_videos.name, uri=before_videos.uri).rows) == rows


def test_what_an_earlier_release_did_not_list_has_the_partitions_of_that_time(flat_store, tiny_encoder: Encoder):
    made = flat_store.create()
    found = describe(made.table.connection, made.name)
    stored = json.loads(found.described["description"])
    del stored["partitions"]
    older = describe(made.table.connection, made.name)
    older.described["description"] = json.dumps(stored)
    assert older.partitions == found.partitions
    assert older.target() == found.target() == made.table.target


def test_a_collection_of_others_is_described_and_refused_when_it_is_asked_whose_it_is(flat_store):
    link = flat_store.create().table.connection
    schema = build_schema(Provenance("tiny", "sha256:0", 64), {"year": int}, ())
    schema._description = "mine"
    link.call("making", "create_collection", "others", schema=schema)
    found = describe(link, "others")
    assert (found.bits, found.pk, found.declared, dict(found.indexed)) == (64, "pk", {"year": int}, {})
    for ask in (lambda: found.made_by, lambda: found.partitions, found.target):
        with pytest.raises(StoreError, match=r"not made by milvus-hash|no index"):
            ask()
    link.call("dropping", "drop_collection", "others")
