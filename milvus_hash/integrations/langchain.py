"""A collection as a retriever of LangChain."""

from __future__ import annotations

from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any

from milvus_hash.errors import InputError
from milvus_hash.extras import require

try:
    from langchain_core.documents import Document
    from langchain_core.retrievers import BaseRetriever
except ImportError:  # this module can be imported all the same; a retriever cannot be made

    class BaseRetriever:  # type: ignore[no-redef, unused-ignore]
        """Stands in for LangChain's class; making one says what to install."""

        def __init__(self, **_fields: Any) -> None:  # noqa: ANN401
            require("langchain_core", "langchain")


if TYPE_CHECKING:
    from milvus_hash.query import Hit


class HashRetriever(BaseRetriever):  # type: ignore[misc, unused-ignore]
    """Finds the rows of a collection that are nearest to a text, as LangChain's documents.

    A document's ``page_content`` is the row's text, else its path, else its item; the ``metadata`` has ``item``,
    ``modality``, ``ordinal``, ``distance`` and ``score``, and every other field of the row.

    Attributes:
        collection: A :class:`milvus_hash.HashCollection`, which answers ``invoke`` and, from a thread, ``ainvoke``;
            or an ``AsyncHashCollection``, which answers ``ainvoke``.
        search_kwargs: Arguments of its ``search``: ``into``, ``limit``, ``filter``, ``rescore``, ``by_item`` and the
            rest. Those given to ``invoke`` go before them.

    Raises:
        MissingExtra: langchain-core is not installed.

    Example:
        ::

            retriever = HashRetriever(collection=clipart, search_kwargs={"into": "image", "limit": 4})
            retriever.invoke("a red flower")
            retriever.invoke("a red flower", filter='licence == "CC0"')
    """

    collection: Any
    search_kwargs: dict[str, Any] = {}  # noqa: RUF012 (pydantic copies it for each retriever)

    def _get_relevant_documents(self, query: str, *, run_manager: Any, **search_kwargs: Any) -> list[Document]:  # noqa: ANN401
        if iscoroutinefunction(self.collection.search):
            raise InputError(
                "this retriever has an AsyncHashCollection, which answers ainvoke() only; "
                "give it a HashCollection for invoke()"
            )
        return _documents(self.collection.search(text=query, **{**self.search_kwargs, **search_kwargs}))

    async def _aget_relevant_documents(self, query: str, *, run_manager: Any, **search_kwargs: Any) -> list[Document]:  # noqa: ANN401
        if iscoroutinefunction(self.collection.search):
            return _documents(await self.collection.search(text=query, **{**self.search_kwargs, **search_kwargs}))
        from langchain_core.runnables.config import run_in_executor

        found: list[Document] = await run_in_executor(
            None, self._get_relevant_documents, query, run_manager=run_manager.get_sync(), **search_kwargs
        )
        return found


def _documents(hits: list[Hit]) -> list[Document]:
    return [_document(hit) for hit in hits]


def _document(hit: Hit) -> Document:
    about = {
        "item": hit.item,
        "modality": hit.modality,
        "ordinal": hit.ordinal,
        "distance": hit.distance,
        "score": hit.score,
    }
    content = hit.fields.get("text") or hit.fields.get("path") or hit.item
    return Document(page_content=str(content), metadata={**hit.fields, **about})
