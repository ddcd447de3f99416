"""What a collection is asked: its question, of which items that are there may be a part, and which rows answer it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from milvus_hash.arguments import check_arguments
from milvus_hash.codes import pack
from milvus_hash.errors import InputError
from milvus_hash.graph import Encodings
from milvus_hash.query.filters import check_modality
from milvus_hash.query.plan import Options, RowOptions, SearchOptions
from milvus_hash.query.rows import of_items
from milvus_hash.query.stored import as_bytes, reading_of
from milvus_hash.query.walk import all_rows
from milvus_hash.question import Asked, Encodes, Query, ask, sources
from milvus_hash.store.call import Steps
from milvus_hash.store.schema import split_key
from milvus_hash.store.table import Table
from milvus_hash.store.target import CODE, Target

if TYPE_CHECKING:
    from typing_extensions import Unpack


class RowsAsked(Asked, RowOptions, total=False):
    """A question, and which rows answer it."""


def rows_asked(table: Table, encoder: Encodes, asked: RowsAsked) -> tuple[Query, Options]:
    """The question and the options in ``asked``; the items in the question are excluded.

    Raises:
        TypeError: There is no such argument.
        InputError: As for :func:`question_of`.
        StoreError: Milvus failed.
    """
    check_arguments(asked, RowsAsked.__annotations__)
    given: dict[str, Any] = {**asked}
    question = {name: given.pop(name) for name in Asked.__annotations__ if name in given}
    options = Options(**given)
    query, items = question_of(table, encoder, options.into, **cast(Asked, question))
    return query, replace(options, exclude=(*options.exclude, *items))


def search_asked(table: Table, encoder: Encodes, asked: Asked, options: SearchOptions) -> tuple[Query, SearchOptions]:
    """The question and the options of a search; the items in the question are excluded.

    Raises:
        InputError: As for :func:`question_of`.
        StoreError: Milvus failed.
    """
    query, items = question_of(table, encoder, options.get("into", "image"), **asked)
    return query, ({**options, "exclude": [*options.get("exclude", ()), *items]} if items else options)


def question_of(
    table: Table, encoder: Encodes, into: str | None, **asked: Unpack[Asked]
) -> tuple[Query, tuple[str, ...]]:
    """The question, and the items in it, which an answer should not have.

    Raises:
        InputError: As for :func:`milvus_hash.question.ask`; or an item has no row.
        StoreError: Milvus failed.
    """
    items = tuple(sources("item", asked.get("item")))
    return ask(_Stored(table, encoder, into) if items else encoder, table.target.bits, **asked), items


@dataclass(frozen=True, slots=True)
class _Stored:
    """What encodes everything that ``encoder`` does, and items by the codes that are stored of them."""

    table: Table
    encoder: Encodes
    into: str | None

    def encode(self, modality: str, sources: Sequence[Any], *, bits: int | None = None) -> Encodings:
        """As :meth:`milvus_hash.Encoder.encode`."""
        if modality != "item":
            return self.encoder.encode(modality, sources, bits=bits)
        found = self.table.run(likeness(self.table.target, sources, self.into))
        logits = np.stack([found[item] for item in sources]).astype(np.float32)
        return Encodings(pack(logits), logits)


def likeness(target: Target, items: Sequence[str], into: str | None) -> Steps[dict[str, NDArray[np.float32]]]:
    """The codes of each item as -1/+1 ``(bits,)``, added up over its rows, of which the first counts half more.

    So a bit is what most of the rows have, and what the first one has where they are equally many. The rows are those
    of modality ``into`` where the item has any, else all of its rows: a picture's neighbours are other pictures.

    Raises:
        InputError: An item has no row, or cannot be an id.
        StoreError: Milvus failed.
    """
    check_modality(into)
    rows: dict[str, list[tuple[str, int, bytes]]] = defaultdict(list)
    for some in of_items(items, None):
        for row in (yield from all_rows(reading_of(target, CODE, where=some))):
            item, modality, ordinal = split_key(row[target.pk])
            rows[item].append((modality, ordinal, as_bytes(row[CODE])))
    for item in items:
        if item not in rows:
            raise InputError(f"item {item!r} has no row in {target.name!r}: nothing can be like it; add it first")
    return {item: _sum([row for row in rows[item] if row[0] == into] or rows[item]) for item in items}


def _sum(rows: list[tuple[str, int, bytes]]) -> NDArray[np.float32]:
    codes = np.frombuffer(b"".join(code for _, _, code in sorted(rows)), dtype=np.uint8).reshape(len(rows), -1)
    signs = 2 * np.unpackbits(codes, axis=1).astype(np.float32) - 1
    total: NDArray[np.float32] = signs.sum(axis=0) + signs[0] / 2
    return total
