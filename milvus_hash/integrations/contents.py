"""Hits as documents for a language model: what is their content, and what is said about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any

from milvus_hash.arguments import check_arguments
from milvus_hash.errors import InputError
from milvus_hash.media.modalities import MODALITIES
from milvus_hash.query.plan import SearchOptions

if TYPE_CHECKING:
    from milvus_hash.query.hits import Hit
    from milvus_hash.store.rows import CodeRow

PARTS = tuple(name for name in MODALITIES if name != "text")
"""What a question can have beside the text that a retriever is asked with."""


def check_retriever(collection: object, search_kwargs: Mapping[str, Any]) -> None:
    """Refuse what is no collection, and arguments that its ``search`` does not have.

    Raises:
        InputError: It is no collection.
        TypeError: There is no such argument.
    """
    if not hasattr(collection, "search") or not hasattr(collection, "get"):
        raise InputError(
            f"collection is a {type(collection).__name__}: HashCollection.open(name, encoder, uri=...) gives one"
        )
    check_arguments(search_kwargs, [*SearchOptions.__annotations__, *PARTS])


def find(collection: Any, asked: Mapping[str, Any], field: str | None) -> list[tuple[Hit, str]]:  # noqa: ANN401
    """The hits of a question, each with its content.

    Args:
        collection: A :class:`milvus_hash.HashCollection`.
        asked: Arguments of its ``search``.
        field: The metadata field that is the content; the text when absent, and for rows without it.

    Raises:
        InputError: The question or an argument cannot be used, no row has such a field, or the collection is one that
            has to be awaited.
        StoreError: Milvus failed.
    """
    if iscoroutinefunction(collection.search):
        raise InputError(
            "an AsyncHashCollection answers what is awaited only, ainvoke() or aretrieve(); give a HashCollection here"
        )
    hits = collection.search(**_with_field(asked, field))
    if _lacks(hits, field):
        collection.search(**{**asked, "output_fields": [field]})
    items = _without_text(hits, field)
    return _with_content(hits, field, collection.get(items, modality="text") if items else ())


async def find_async(collection: Any, asked: Mapping[str, Any], field: str | None) -> list[tuple[Hit, str]]:  # noqa: ANN401
    """As :func:`find`, of an :class:`milvus_hash.AsyncHashCollection`."""
    hits = await collection.search(**_with_field(asked, field))
    if _lacks(hits, field):
        await collection.search(**{**asked, "output_fields": [field]})
    items = _without_text(hits, field)
    return _with_content(hits, field, await collection.get(items, modality="text") if items else ())


def metadata(hit: Hit) -> dict[str, Any]:
    """All fields of the row, with ``item``, ``modality``, ``ordinal``, ``distance`` and ``score``."""
    about = hit.to_dict()
    return {**about.pop("fields"), **about}


def _with_field(asked: Mapping[str, Any], field: str | None) -> dict[str, Any]:
    names = asked.get("output_fields")
    return {**asked, "output_fields": [*names, field]} if field and names else dict(asked)


def _lacks(hits: Sequence[Hit], field: str | None) -> bool:
    """Whether no hit has the field: a search for it by name then says so if no row has."""
    return bool(field and hits) and all(field not in hit.fields for hit in hits)


def _without_text(hits: Sequence[Hit], field: str | None) -> list[str]:
    """Items whose texts are in other rows than the hits."""
    return list(dict.fromkeys(hit.item for hit in hits if not (field in hit.fields or hit.fields.get("text"))))


def _with_content(hits: Sequence[Hit], field: str | None, rows: Sequence[CodeRow]) -> list[tuple[Hit, str]]:
    texts: dict[str, list[str]] = {}
    for row in rows:
        texts.setdefault(row.item, []).append(str(row.fields.get("text", "")))
    return [(hit, _content(hit, field, texts.get(hit.item, []))) for hit in hits]


def _content(hit: Hit, field: str | None, texts: Sequence[str]) -> str:
    """The field, else the row's own text, else all texts of its item, else the item's id."""
    if field in hit.fields:
        return str(hit.fields[field])
    return str(hit.fields.get("text") or "\n".join(texts) or hit.item)
