"""The retriever as LangChain calls it, over a real collection; needs langchain-core."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from milvus_hash.async_collection import AsyncHashCollection
from milvus_hash.errors import InputError
from milvus_hash.integrations.langchain import HashRetriever

WITHOUT = """
import sys
sys.modules["langchain_core"] = None
from milvus_hash.integrations.langchain import HashRetriever
HashRetriever(collection=None)
"""


def test_documents_carry_what_was_found(colours):
    pytest.importorskip("langchain_core")
    retriever = HashRetriever(collection=colours, search_kwargs={"into": "text", "limit": 3})
    first, *others = retriever.invoke("red")
    hit = colours.search(text="red", into="text", limit=1)[0]
    assert first.page_content == "red"
    assert first.metadata == {
        **hit.fields, "item": "red", "modality": "text", "ordinal": 0, "distance": 0, "score": 1.0
    }  # fmt: skip
    assert first.metadata["licence"] == "CC0"
    assert {document.page_content for document in others} == {"a warm one", "green"}


def test_the_content_of_a_picture_is_what_is_said_of_it(colours):
    pytest.importorskip("langchain_core")
    pictures = HashRetriever(collection=colours, search_kwargs={"into": "image", "limit": 3})
    found = {document.metadata["item"]: document for document in pictures.invoke("green")}
    assert {item: document.page_content for item, document in found.items()} == {
        "red": "red\na warm one", "green": "green", "blue": "blue"
    }  # fmt: skip
    assert found["red"].metadata["path"].endswith("red.png")


@pytest.mark.parametrize("options", [{}, {"output_fields": ["licence"]}])
def test_a_field_is_the_content_of_rows_that_have_it(colours, options):
    pytest.importorskip("langchain_core")
    titled = HashRetriever(collection=colours, content_field="title", search_kwargs={"into": None, **options})
    found = titled.invoke("green")
    assert {(document.metadata["item"], document.page_content) for document in found} == {
        ("red", "red"), ("red", "a warm one"), ("red", "red\na warm one"), ("green", "Grass"), ("blue", "blue")
    } - ({("red", "red"), ("red", "a warm one")} if options else set())  # fmt: skip
    assert titled.invoke("green", filter='item == "red"', into="text", output_fields=None)[0].page_content == "red"
    with pytest.raises(InputError, match="no row of 'retriever' has a field 'titel'"):
        HashRetriever(collection=colours, content_field="titel").invoke("green")


def test_arguments_of_a_call_go_first(colours):
    pytest.importorskip("langchain_core")
    retriever = HashRetriever(collection=colours, search_kwargs={"into": "image", "limit": 3})
    assert len(retriever.invoke("green")) == 3
    assert len(retriever.invoke("green", limit=1)) == 1
    assert {document.metadata["item"] for document in retriever.invoke("red", filter='licence == "CC-BY"')} == {"blue"}
    assert {document.metadata["item"] for document in retriever.invoke("red", where={"licence": "CC-BY"})} == {"blue"}


def test_arguments_that_do_not_exist_are_refused(colours):
    pytest.importorskip("langchain_core")
    with pytest.raises(TypeError, match="no argument 'search_kwarg', but 'search_kwargs'"):
        HashRetriever(collection=colours, search_kwarg={})
    with pytest.raises(TypeError, match="no argument 'k', but 'limit'; the arguments are into, filter"):
        HashRetriever(collection=colours, search_kwargs={"k": 4})
    retriever = HashRetriever(collection=colours)
    for option in ("limt", "text"):
        with pytest.raises(TypeError, match=f"no argument '{option}'"):
            retriever.invoke("green", **{option: 1})
    for none in (None, "retriever"):
        with pytest.raises(InputError, match=r"HashCollection.open\(name, encoder, uri=...\) gives one"):
            HashRetriever(collection=none)


def test_it_is_a_runnable(colours):
    pytest.importorskip("langchain_core")
    from langchain_core.runnables import RunnableLambda

    retriever = HashRetriever(collection=colours, search_kwargs={"into": "text", "limit": 1})
    chain = retriever | RunnableLambda(lambda documents: documents[0].page_content)
    assert chain.batch(["red", "green"]) == ["red", "green"]
    assert asyncio.run(chain.ainvoke("green")) == "green"


def test_an_asyncio_collection_is_awaited(colours, tiny_encoder, lite_uri):
    pytest.importorskip("langchain_core")

    async def ask() -> list[str]:
        collection = await AsyncHashCollection.open("retriever", tiny_encoder, uri=lite_uri)
        retriever = HashRetriever(collection=collection, search_kwargs={"into": "image", "limit": 1})
        try:
            with pytest.raises(InputError, match=r"answers what is awaited only, ainvoke\(\)"):
                retriever.invoke("blue")
            found = await retriever.ainvoke("blue", limit=3)
            with pytest.raises(InputError, match="has a field 'titel'"):
                await HashRetriever(collection=collection, content_field="titel").ainvoke("blue")
            return sorted(document.page_content for document in found)
        finally:
            await collection.close()

    assert asyncio.run(ask()) == ["blue", "green", "red\na warm one"]


def test_errors_come_through(colours):
    pytest.importorskip("langchain_core")
    with pytest.raises(InputError, match="the text is empty"):
        HashRetriever(collection=colours).invoke(" ")


def test_without_langchain_the_pip_line_is_given():
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, timeout=60)
    assert done.stderr.strip().endswith("pip install 'milvus-hash[langchain]'"), done.stderr
