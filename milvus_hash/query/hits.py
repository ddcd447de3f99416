"""What a search gives: the hits, in a settled order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

from milvus_hash.names import ModalityName
from milvus_hash.query.scope import Row
from milvus_hash.store.schema import RESERVED, split_key

_place = attrgetter("distance", "item", "ordinal")
_score = attrgetter("score")


class Hit(NamedTuple):
    """One result of a search.

    Attributes:
        item: The item's id.
        modality: Of the row that was found.
        ordinal: Its position among the item's rows of this modality.
        distance: Hamming distance to the query, 0 to bits.
        score: In [-1, 1], larger is nearer: ``1 - 2 * distance / bits``, the cosine of the two codes read as -1/+1;
            with ``rescore`` ``sum(logits * bits) / sum(abs(logits))``, the query's logits against the row's bits.
        fields: Metadata of the row, with ``text`` or ``path`` where the ingest stored them.
    """

    item: str
    modality: ModalityName
    ordinal: int
    distance: int
    score: float
    fields: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """The attributes by name, for instance to be sent as JSON."""
        return self._asdict()


class Hits(list[Hit]):
    """The hits of one question, best first: a list that notebooks show with its pictures."""

    def to_html(self, pictures: Sequence[str | Path] | None = None) -> str:
        """Cards with thumbnails of the first 24 hits, as a part of a page that needs no other file and runs nothing.

        Where the pictures lie is told by the collection, which others may have written. So they are opened only in the
        folders that are named, as for :func:`milvus_hash.write_sheet`.

        Args:
            pictures: Folders whose pictures and clips may be shown; the working directory when absent.

        Example:
            >>> Hits([Hit("rose", "text", 0, 0, 1.0, {"text": "a <b>rose</b>"})]).to_html().count("&lt;b&gt;rose")
            1
        """
        from milvus_hash.notebook import hits_html

        return hits_html(self, pictures)

    def _repr_html_(self) -> str:
        return self.to_html()


def to_hits(rows: Iterable[Row], bits: int, scores: Sequence[float] | None = None) -> list[Hit]:
    """The rows found for one query, best first: ordered by (score descending, distance, item, ordinal).

    Milvus promises no order of ties. Without ``scores``, one a row, they are those of the distances.
    """
    hits = []
    for number, (pk, distance, fields) in enumerate(rows):
        item, modality, ordinal = split_key(str(pk))
        own = RESERVED.isdisjoint(fields)
        metadata = fields if own else {name: value for name, value in fields.items() if name not in RESERVED}
        score = 1 - 2 * distance / bits if scores is None else scores[number]
        hits.append(Hit(item, modality, ordinal, distance, score, metadata))
    hits.sort(key=_place)
    if scores is not None:
        hits.sort(key=_score, reverse=True)  # equal ones stay in their order
    return hits
