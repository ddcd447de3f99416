"""A collection as a retriever of LlamaIndex."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any

from milvus_hash.extras import require
from milvus_hash.integrations.contents import check_retriever, find, find_async, metadata
from milvus_hash.store.schema import primary_key

try:
    from llama_index.core.retrievers import BaseRetriever
    from llama_index.core.schema import ImageNode, NodeRelationship, NodeWithScore, RelatedNodeInfo, TextNode
except ImportError:  # this module can be imported all the same; a retriever cannot be made

    class BaseRetriever:  # type: ignore[no-redef, unused-ignore]
        """Stands in for LlamaIndex' class; making one says what to install."""

        def __init__(self, **_options: Any) -> None:  # noqa: ANN401
            require("llama_index.core", "llama-index")


if TYPE_CHECKING:
    from llama_index.core.schema import QueryBundle

    from milvus_hash.query import Hit

_UNTOLD = ["path", "item", "modality", "ordinal", "distance", "score"]  # of no use to a language model


class HashRetriever(BaseRetriever):  # type: ignore[misc, unused-ignore]
    """Finds the rows of a collection that are nearest to a text, a picture or both, as LlamaIndex' nodes.

    A node's text is the row's text; of a picture or a clip all texts of its item, and the item's id where there are
    none. Pictures are ``ImageNode`` with their ``image_path``. All rows of an item have it as their ``ref_doc_id``. The
    metadata has ``item``, ``modality``, ``ordinal``, ``distance`` and ``score``, which are not told to the language
    model, and every field of the row. A question with an ``image_path`` asks with the picture, and with the text
    too, if it has one.

    Args:
        collection: A :class:`milvus_hash.HashCollection`, which answers ``retrieve`` and, from a thread, ``aretrieve``;
            or an ``AsyncHashCollection``, which answers ``aretrieve``.
        search_kwargs: Arguments of its ``search``: ``into``, ``limit``, ``filter``, ``where``, ``rescore``, ``by_item``
            and the rest.
        content_field: The metadata field that becomes the text, for rows that have it.
        callback_manager: LlamaIndex' own.

    Raises:
        MissingExtra: llama-index-core is not installed.
        InputError: ``collection`` is none.
        TypeError: There is no such argument among the ``search_kwargs``.

    Example:
        ::

            retriever = HashRetriever(clipart, search_kwargs={"into": "image", "limit": 4})
            retriever.retrieve("a red flower")
            retriever.retrieve(QueryBundle("", image_path="rose.png"))
    """

    def __init__(
        self,
        collection: Any,  # noqa: ANN401 (a collection of either kind)
        *,
        search_kwargs: Mapping[str, Any] | None = None,
        content_field: str | None = None,
        callback_manager: Any = None,  # noqa: ANN401
    ) -> None:
        super().__init__(callback_manager=callback_manager)
        check_retriever(collection, search_kwargs or {})
        self._collection = collection
        self._search_kwargs = dict(search_kwargs or {})
        self._content_field = content_field

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return _nodes(find(self._collection, self._asked(query_bundle), self._content_field))

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        asked = self._asked(query_bundle)
        if iscoroutinefunction(self._collection.search):
            return _nodes(await find_async(self._collection, asked, self._content_field))
        return _nodes(await asyncio.to_thread(find, self._collection, asked, self._content_field))

    def _asked(self, query: QueryBundle) -> dict[str, Any]:
        parts = {"text": query.embedding_strs, "image": query.embedding_image}
        return {**self._search_kwargs, **{name: part for name, part in parts.items() if part}}


def _nodes(found: list[tuple[Hit, str]]) -> list[NodeWithScore]:
    return [NodeWithScore(node=_node(hit, content), score=hit.score) for hit, content in found]


def _node(hit: Hit, content: str) -> TextNode:
    told: dict[str, Any] = {
        "id_": primary_key(hit.item, hit.modality, hit.ordinal),
        "text": content,
        "metadata": metadata(hit),
        "excluded_llm_metadata_keys": _UNTOLD,
        "excluded_embed_metadata_keys": _UNTOLD,
        "relationships": {NodeRelationship.SOURCE: RelatedNodeInfo(node_id=hit.item)},
    }
    path = hit.fields.get("path")
    return ImageNode(image_path=path, **told) if hit.modality == "image" and path else TextNode(**told)
