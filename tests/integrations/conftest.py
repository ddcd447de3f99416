"""What the retrievers are tried on."""

from __future__ import annotations

import pytest
from PIL import Image

from milvus_hash.collection import HashCollection
from milvus_hash.record import Record

COLOURS = (("red", "CC0", ("red", "a warm one")), ("green", "CC0", ("green",)), ("blue", "CC-BY", ()))


@pytest.fixture(scope="module")
def colours(lite_uri, tiny_encoder, tmp_path_factory):
    """Three pictures with two, one and no captions and a licence; one of them has a title."""
    folder = tmp_path_factory.mktemp("retriever")
    records = []
    for colour, licence, texts in COLOURS:
        Image.new("RGB", (20, 20), colour).save(folder / f"{colour}.png")
        path = str(folder / f"{colour}.png")
        title = {"title": "Grass"} if colour == "green" else {}
        records.append(Record(id=colour, image=path, texts=texts, metadata={"licence": licence, **title}))
    with HashCollection.create("retriever", tiny_encoder, uri=lite_uri) as collection:
        collection.add(records)
        yield collection
        collection.drop()
