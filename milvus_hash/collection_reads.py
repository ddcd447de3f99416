"""What can be asked of a collection: the reads of :class:`~milvus_hash.collection.HashCollection`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from milvus_hash.arguments import plain_methods
from milvus_hash.codes import Codes, check
from milvus_hash.names import ModalityName
from milvus_hash.query.asked import RowsAsked, rows_asked, search_asked
from milvus_hash.query.facets import facets
from milvus_hash.query.hits import Hit, Hits
from milvus_hash.query.plan import SearchOptions, find, find_after, find_within, options_of
from milvus_hash.query.rows import count, existing, rows_of
from milvus_hash.query.where import Where, narrowed
from milvus_hash.question import Asked, Parts, Query
from milvus_hash.store.rows import CodeRow
from milvus_hash.store.table import Table

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from milvus_hash.encoder import Encoder
    from milvus_hash.media.image import ImageSource
    from milvus_hash.media.video import VideoSource


@plain_methods
class CollectionReads:
    """Searches and other reads of a collection; nothing here changes it."""

    table: Table
    encoder: Encoder
    bits: int
    fields: Mapping[str, type]

    def search(
        self,
        *,
        text: Parts[str] | None = None,
        image: Parts[ImageSource] | None = None,
        video: Parts[VideoSource] | None = None,
        vector: Parts[NDArray[np.floating]] | None = None,
        item: Parts[str] | None = None,
        code: bytes | NDArray[np.uint8] | None = None,
        query: Query | None = None,
        **options: Unpack[SearchOptions],
    ) -> Hits:
        """The rows of modality ``into`` nearest to a text, a picture, a clip, a vector, an item or a code.

        Of ``text``, ``image``, ``video``, ``vector`` and ``item`` each takes a source, a pair of a source and its
        weight, or a list of either. All parts together make one question: each one's logits are scaled to unit length,
        weighted and added, and the signs of the sum are asked for. A negative weight means "without".

        Args:
            text: Words.
            image: Pictures: paths, the bytes of files, or Pillow images.
            video: Clips: paths, or the bytes of files.
            vector: Floats ``(d,)``, for bundles of modality ``vector``.
            item: Ids of items that are there, for more like them: what stands for one are its stored codes of modality
                ``into``, or all of its codes where it has none. Their own rows are not found.
            code: A ready code of ``bits // 8`` bytes, alone.
            query: A question that ``encoder.query`` made, alone.
            options: Which rows, how many, in what order, with which fields: see
                :class:`~milvus_hash.query.plan.SearchOptions`.

        Returns:
            Hits ordered by (distance, item, ordinal). Unless they are complete, which of several rows at the same
            last distance are among the hits is up to Milvus.

        Raises:
            InputError: The question or an argument cannot be used.
            StoreError: Milvus failed, refused the filter, or lacks what was asked for.
        """
        asked = Asked(text=text, image=image, video=video, vector=vector, item=item, code=code, query=query)
        one, options = search_asked(self.table, self.encoder, asked, options)
        return self.search_many([one], **options)[0]

    def search_many(self, queries: Sequence[Query], **options: Unpack[SearchOptions]) -> list[Hits]:
        """Like :meth:`search` with its options, for questions that ``encoder.query`` made: one list of hits each."""
        return self.table.run(find(self.table.target, queries, options_of(**options), self.fields))

    def search_codes(self, codes: Codes, **options: Unpack[SearchOptions]) -> list[Hits]:
        """Like :meth:`search_many`, for ready codes ``uint8 (q, bits // 8)``."""
        return self.search_many([Query(code) for code in check(codes, self.bits)], **options)

    def within(self, radius: int, **asked: Unpack[RowsAsked]) -> Hits:
        """Every row within Hamming distance ``radius``, 0 to bits, of a question, however many rows that are.

        The question is made of what :meth:`search` takes; :class:`~milvus_hash.query.plan.RowOptions` say which rows.

        Raises:
            InputError: The question or an argument cannot be used.
            StoreError: Milvus failed, refused the filter, or the index is HNSW or AUTOINDEX.
        """
        query, options = rows_asked(self.table, self.encoder, asked)
        return self.table.run(find_within(self.table.target, query, radius, options, self.fields))

    def pages(self, size: int = 20, *, after: Hit | None = None, **asked: Unpack[RowsAsked]) -> Iterator[Hits]:
        """All hits of a question, nearest first, in pages of ``size`` that neither repeat a row nor leave one out.

        Hits at one distance come in the order of their primary keys, so that every hit has a place that does not
        change while rows are written: a page is what follows the last hit of the page before. A web application that
        keeps nothing between two requests sends that hit along and gives it as ``after``; it needs item, modality,
        ordinal and distance. A row that is written meanwhile appears if its place is yet to come.

        Args:
            size: Hits a page, 1 to 16384; the last page may have fewer.
            after: The last hit of a page of the same question, to go on behind it.
            asked: The question, made of what :meth:`search` takes, and
                :class:`~milvus_hash.query.plan.RowOptions`, which say which rows.

        Raises:
            InputError: The question or an argument cannot be used.
            StoreError: Milvus failed, refused the filter, or the index is HNSW or AUTOINDEX.

        Example:
            ::

                for page in collection.pages(size=20, text="a red flower"):
                    ...
        """
        query, options = rows_asked(self.table, self.encoder, asked)
        while page := self.table.run(find_after(self.table.target, query, after, size, options, self.fields)):
            yield page
            if len(page) < size:
                return
            after = page[-1]

    def get(self, items: Sequence[str], *, modality: ModalityName | None = None) -> list[CodeRow]:
        """The stored rows of ``items``, ordered by item, modality and ordinal; unknown items have none.

        Raises:
            InputError: An item or the modality cannot be used.
            StoreError: Milvus failed.
        """
        return self.table.run(rows_of(self.table.target, items, modality, self.fields))

    def existing(self, pks: Iterable[str]) -> set[str]:
        """Those of the primary keys (see :func:`primary_key`) that have a row.

        Raises:
            InputError: A key is not of the form that :func:`primary_key` gives.
            StoreError: Milvus failed.
        """
        return self.table.run(existing(self.table.target, pks))

    def count(self, modality: ModalityName | None = None, filter: str = "", *, where: Where = None) -> int:
        """The number of rows, of one modality and under a filter or with values; exact, deleted rows not counted.

        Raises:
            InputError: The modality is unknown.
            StoreError: Milvus failed, or refused the filter.
        """
        return self.table.run(count(self.table.target, modality, narrowed(filter, where)))

    def facets(
        self, field: str, *, into: ModalityName | None = "image", filter: str = "", where: Where = None
    ) -> dict[Any, int]:
        """How many rows have each value of a metadata field, the most frequent value first.

        Of a list (tags, for instance) each value counts. The rows are those that a search with the same ``into``,
        ``filter`` and ``where`` looks at; all of them are read once, some 50,000 a second.

        Raises:
            InputError: No row has the field, its values cannot be counted, or an argument cannot be used.
            StoreError: Milvus failed, or refused the filter.

        Example:
            ::

                collection.facets("brand", where={"size": 42})  # {"nike": 120, "adidas": 87}
        """
        return self.table.run(facets(self.table.target, field, into, narrowed(filter, where), self.fields))
