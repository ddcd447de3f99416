"""The retriever as LlamaIndex calls it, over a real collection; needs llama-index-core."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest
from PIL import Image

from milvus_hash.async_collection import AsyncHashCollection
from milvus_hash.errors import InputError
from milvus_hash.integrations.llama_index import HashRetriever

WITHOUT = """
import sys
sys.modules["llama_index"] = None
from milvus_hash.integrations.llama_index import HashRetriever
HashRetriever(None)
"""


def test_nodes_carry_what_was_found(colours):
    schema = pytest.importorskip("llama_index.core.schema")
    retriever = HashRetriever(colours, search_kwargs={"into": "text", "limit": 3})
    first, *others = retriever.retrieve("red")
    assert (first.text, first.score, first.node.node_id, first.node.ref_doc_id) == ("red", 1.0, "red#text#0", "red")
    assert (first.metadata["distance"], first.metadata["licence"]) == (0, "CC0")
    assert {node.text for node in others} == {"a warm one", "green"}
    assert "distance" not in first.get_content(schema.MetadataMode.LLM)
    assert "licence: CC0" in first.get_content(schema.MetadataMode.LLM)


def test_pictures_are_image_nodes_with_what_is_said_of_them(colours):
    schema = pytest.importorskip("llama_index.core.schema")
    found = {n.node.ref_doc_id: n for n in HashRetriever(colours, search_kwargs={"into": "image"}).retrieve("green")}
    assert {item: node.text for item, node in found.items()} == {
        "red": "red\na warm one", "green": "green", "blue": "blue"
    }  # fmt: skip
    for item, node in found.items():
        assert isinstance(node.node, schema.ImageNode)
        with Image.open(node.node.resolve_image()) as picture:
            assert picture.size == (20, 20)
        assert node.node.image_path == node.metadata["path"]
        assert ".png" not in node.get_content(schema.MetadataMode.LLM), item


def test_it_asks_with_pictures_and_with_several_texts(colours):
    schema = pytest.importorskip("llama_index.core.schema")
    path = colours.search(text="blue", filter='item == "blue"')[0].fields["path"]
    retriever = HashRetriever(colours, search_kwargs={"limit": 1})
    assert retriever.retrieve(schema.QueryBundle("", image_path=path))[0].score == 1.0
    both = retriever.retrieve(schema.QueryBundle("red", image_path=path))
    assert both[0].score == colours.search(text="red", image=path, limit=1)[0].score
    some = retriever.retrieve(schema.QueryBundle("asked otherwise", custom_embedding_strs=["red", "green"]))
    assert some[0].score == colours.search(text=["red", "green"], limit=1)[0].score
    with pytest.raises(InputError, match="nothing is given"):
        retriever.retrieve("")


def test_a_field_is_the_text_of_rows_that_have_it(colours):
    pytest.importorskip("llama_index.core")
    titled = HashRetriever(colours, search_kwargs={"into": "image"}, content_field="title")
    assert {node.text for node in titled.retrieve("green")} == {"Grass", "red\na warm one", "blue"}
    with pytest.raises(InputError, match="no row of 'retriever' has a field 'titel'"):
        HashRetriever(colours, content_field="titel").retrieve("green")


def test_what_cannot_be_is_refused(colours):
    pytest.importorskip("llama_index.core")
    with pytest.raises(TypeError, match="no argument 'similarity_top_k', but 'limit'; the arguments are into, filter"):
        HashRetriever(colours, search_kwargs={"similarity_top_k": 4})
    with pytest.raises(InputError, match=r"collection is a str: HashCollection.open"):
        HashRetriever("retriever")


def test_it_answers_a_query_engine(colours):
    """LlamaIndex' own mock model says what it was told."""
    pytest.importorskip("llama_index.core")
    from llama_index.core.llms import MockLLM
    from llama_index.core.query_engine import RetrieverQueryEngine

    retriever = HashRetriever(colours, search_kwargs={"into": "image", "limit": 1, "where": {"item": "red"}})
    answer = RetrieverQueryEngine.from_args(retriever, llm=MockLLM()).query("which one is warm?")
    assert "red\na warm one" in str(answer)
    assert ".png" not in str(answer)


def test_it_is_awaited_over_either_collection(colours, tiny_encoder, lite_uri):
    pytest.importorskip("llama_index.core")

    async def ask() -> None:
        collection = await AsyncHashCollection.open("retriever", tiny_encoder, uri=lite_uri)
        options = {"into": "image", "limit": 3}
        awaited = HashRetriever(collection, search_kwargs=options)
        try:
            with pytest.raises(InputError, match=r"awaited only, ainvoke\(\) or aretrieve\(\)"):
                awaited.retrieve("blue")
            found = await awaited.aretrieve("blue")
            assert sorted(node.text for node in found) == ["blue", "green", "red\na warm one"]
            assert await HashRetriever(colours, search_kwargs=options).aretrieve("blue") == found
        finally:
            await collection.close()

    asyncio.run(ask())


def test_without_llama_index_the_pip_line_is_given():
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, timeout=60)
    assert done.stderr.strip().endswith("pip install 'milvus-hash[llama-index]'"), done.stderr
