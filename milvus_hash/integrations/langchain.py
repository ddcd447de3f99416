"""A collection as a retriever of LangChain."""

from __future__ import annotations

from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any

from milvus_hash.arguments import check_arguments
from milvus_hash.extras import require
from milvus_hash.integrations.contents import check_retriever, find, find_async, metadata

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

    A document's ``page_content`` is the row's text; of a picture or a clip all texts of its item, and the item's id
    where there are none. The ``metadata`` has ``item``, ``modality``, ``ordinal``, ``distance`` and ``score``, and
    every field of the row, the ``path`` of a picture or clip among them.

    Attributes:
        collection: A :class:`milvus_hash.HashCollection`, which answers ``invoke`` and, from a thread, ``ainvoke``;
            or an ``AsyncHashCollection``, which answers ``ainvoke``.
        search_kwargs: Arguments of its ``search``: ``into``, ``limit``, ``filter``, ``where``, ``rescore``, ``by_item``
            and the rest. Those given to ``invoke`` go before them.
        content_field: The metadata field that becomes the ``page_content``, for rows that have it.

    Raises:
        MissingExtra: langchain-core is not installed.
        InputError: ``collection`` is none.
        TypeError: There is no such argument, here or among the ``search_kwargs``.

    Example:
        ::

            retriever = HashRetriever(collection=clipart, search_kwargs={"into": "image", "limit": 4})
            retriever.invoke("a red flower")
            retriever.invoke("a red flower", where={"licence": "CC0"})
    """

    collection: Any
    search_kwargs: dict[str, Any] = {}  # noqa: RUF012 (pydantic copies it for each retriever)
    content_field: str | None = None

    def __init__(self, **fields: Any) -> None:  # noqa: ANN401
        check_arguments(fields, getattr(type(self), "model_fields", fields))
        super().__init__(**fields)
        check_retriever(self.collection, self.search_kwargs)

    def _get_relevant_documents(self, query: str, *, run_manager: Any, **search_kwargs: Any) -> list[Document]:  # noqa: ANN401
        return _documents(find(self.collection, self._asked(query, search_kwargs), self.content_field))

    async def _aget_relevant_documents(self, query: str, *, run_manager: Any, **search_kwargs: Any) -> list[Document]:  # noqa: ANN401
        asked = self._asked(query, search_kwargs)
        if iscoroutinefunction(self.collection.search):
            return _documents(await find_async(self.collection, asked, self.content_field))
        from langchain_core.runnables.config import run_in_executor

        return _documents(await run_in_executor(None, find, self.collection, asked, self.content_field))

    def _asked(self, query: str, search_kwargs: dict[str, Any]) -> dict[str, Any]:
        check_retriever(self.collection, search_kwargs)
        return {**self.search_kwargs, **search_kwargs, "text": query}


def _documents(found: list[tuple[Hit, str]]) -> list[Document]:
    return [Document(page_content=content, metadata=metadata(hit)) for hit, content in found]
