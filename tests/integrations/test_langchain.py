"""The retriever as LangChain calls it, over a real collection; needs langchain-core."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest
from PIL import Image

from milvus_hash.async_collection import AsyncHashCollection
from milvus_hash.collection import HashCollection
from milvus_hash.errors import InputError
from milvus_hash.integrations.langchain import HashRetriever
from milvus_hash.record import Record


@pytest.fixture(scope="module")
def colours(lite_uri, tiny_encoder, tmp_path_factory):
    """Three pictures, each with its caption and a licence."""
    folder = tmp_path_factory.mktemp("retriever")
    records = []
    for colour, licence in (("red", "CC0"), ("green", "CC0"), ("blue", "CC-BY")):
        Image.new("RGB", (20, 20), colour).save(folder / f"{colour}.png")
        path = str(folder / f"{colour}.png")
        records.append(Record(id=colour, image=path, texts=(colour,), metadata={"licence": licence}))
    with HashCollection.create("retriever", tiny_encoder, uri=lite_uri) as collection:
        collection.add(records)
        yield collection
        collection.drop()


def test_documents_carry_what_was_found(colours):
    pytest.importorskip("langchain_core")
    retriever = HashRetriever(collection=colours, search_kwargs={"into": "text", "limit": 2})
    first, second = retriever.invoke("red")
    hit = colours.search(text="red", into="text", limit=1)[0]
    assert first.page_content == "red"
    assert first.metadata == {
        **hit.fields, "item": "red", "modality": "text", "ordinal": 0, "distance": 0, "score": 1.0
    }  # fmt: skip
    assert first.metadata["licence"] == "CC0"
    assert second.metadata["distance"] > 0


def test_a_picture_is_its_path_and_arguments_of_a_call_go_first(colours):
    pytest.importorskip("langchain_core")
    retriever = HashRetriever(collection=colours, search_kwargs={"into": "image", "limit": 3})
    assert retriever.invoke("green")[0].page_content.endswith("green.png")
    assert len(retriever.invoke("green")) == 3
    assert len(retriever.invoke("green", limit=1)) == 1
    assert {document.metadata["item"] for document in retriever.invoke("red", filter='licence == "CC-BY"')} == {"blue"}


def test_it_is_a_runnable(colours):
    pytest.importorskip("langchain_core")
    from langchain_core.runnables import RunnableLambda

    retriever = HashRetriever(collection=colours, search_kwargs={"into": "text", "limit": 1})
    chain = retriever | RunnableLambda(lambda documents: documents[0].page_content)
    assert chain.batch(["red", "blue"]) == ["red", "blue"]
    assert asyncio.run(chain.ainvoke("green")) == "green"


def test_an_asyncio_collection_is_awaited(colours, tiny_encoder, lite_uri):
    pytest.importorskip("langchain_core")

    async def ask() -> list[str]:
        collection = await AsyncHashCollection.open("retriever", tiny_encoder, uri=lite_uri)
        retriever = HashRetriever(collection=collection, search_kwargs={"into": "text", "limit": 1})
        try:
            with pytest.raises(InputError, match=r"answers ainvoke\(\) only"):
                retriever.invoke("blue")
            return [document.page_content for document in await retriever.ainvoke("blue", limit=2)]
        finally:
            await collection.close()

    found = asyncio.run(ask())
    assert (len(found), found[0]) == (2, "blue")


def test_errors_come_through(colours):
    pytest.importorskip("langchain_core")
    with pytest.raises(InputError, match="the text is empty"):
        HashRetriever(collection=colours).invoke(" ")


def test_without_langchain_the_pip_line_is_given():
    code = """
import sys
sys.modules["langchain_core"] = None
from milvus_hash.integrations.langchain import HashRetriever
HashRetriever(collection=None)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stderr.strip().endswith("pip install 'milvus-hash[langchain]'"), done.stderr
