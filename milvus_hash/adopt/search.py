"""Search in an adopted collection: candidates by Hamming distance in the sidecar, exact scores from its source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from milvus_hash.adopt import sidecar as sidecars
from milvus_hash.adopt.scores import SIFTED, best_with_ties, exact_scores
from milvus_hash.adopt.sidecar import Adopted, Sidecar
from milvus_hash.adopt.source import Source, Vectors, decode, look
from milvus_hash.arguments import check_encoder
from milvus_hash.errors import InputError
from milvus_hash.graph import Encodings
from milvus_hash.query.expression import fields_in, words
from milvus_hash.query.filters import check_condition
from milvus_hash.query.nearest import nearest
from milvus_hash.query.rescore import score_codes
from milvus_hash.query.scope import MAX_LIMIT, Row, Scope, check_limit
from milvus_hash.query.stored import codes_of, with_codes
from milvus_hash.query.walk import Reading, rows_by_key
from milvus_hash.query.where import Where, narrowed
from milvus_hash.store.address import ConnectionOptions
from milvus_hash.store.call import Steps
from milvus_hash.store.connection import Connection
from milvus_hash.store.table import Table
from milvus_hash.store.target import Key

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Unpack

    from milvus_hash.encoder import Encoder

Rescore: TypeAlias = Literal["vectors", "logits"] | None

_WIDER = 4  # times more candidates when a filter left too few


class AdoptedHit(NamedTuple):
    """One result of a search in an adopted collection.

    Attributes:
        pk: Primary key, in the source and in the sidecar.
        distance: Hamming distance of the two codes, 0 to bits.
        score: With ``rescore="vectors"`` what the source's own search would give: the cosine or the inner product
            (larger is nearer), or the squared Euclidean distance (L2: smaller is nearer). With ``"logits"``
            the query's real values against the stored bits, in [-1, 1]; without rescoring ``1 - 2 * distance / bits``.
        fields: Of the row in the source, those that were asked for.
    """

    pk: Key
    distance: int
    score: float
    fields: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """The attributes by name, for instance to be sent as JSON."""
        return self._asdict()


class AdoptedCollection:
    """A float collection and its sidecar of codes.

    Open one with :meth:`open`; it is a context manager that closes itself. It never writes. It can be pickled, and
    connects again when it is first used in another process; the pickle contains the token.

    Attributes:
        name: Of the sidecar in Milvus.
        adopted: What it belongs to: source, vector field, metric, copied fields.
        encoder: What turns vectors into codes.
        bits: Code length.
        uri: Where both live, without credentials.
        table: The sidecar in Milvus.
    """

    def __init__(self, connection: Connection, sidecar: Sidecar, source: Source, encoder: Encoder) -> None:
        self.name = sidecar.name
        self.adopted: Adopted = sidecar.adopted
        self.encoder = encoder
        self.bits = sidecar.made_by.bits
        self.uri = connection.uri
        self.table = Table(connection, sidecar.target)
        self._source = source

    def __repr__(self) -> str:
        return f"AdoptedCollection({self.name!r}, source={self.adopted.source!r}, bits={self.bits}, uri={self.uri!r})"

    def _repr_html_(self) -> str:
        from milvus_hash.notebook import about_html

        rows = {
            "vector field": self.adopted.vector_field,
            "metric": self.adopted.metric,
            "bundle": f"{self.encoder.bundle.name}, {self.encoder.fingerprint}",
        }
        return about_html(repr(self), rows)

    @classmethod
    def open(cls, name: str, encoder: Encoder, **where: Unpack[ConnectionOptions]) -> AdoptedCollection:
        """Open sidecar ``name`` and the source that its description names.

        Args:
            name: Of the sidecar.
            encoder: Of the bundle that made its codes.
            where: Which Milvus, as :class:`~milvus_hash.store.address.ConnectionOptions` lists them.

        Raises:
            BundleMismatch: Another bundle made its codes, or the source has another metric or key now.
            StoreError: There is no such sidecar, its source is gone or not loaded, or Milvus fails.
            InputError: The bundle cannot encode vectors.
        """
        check_encoder(encoder)
        connection = Connection(**where)
        try:
            sidecar = sidecars.read(connection, name)
            sidecars.check_encoder(sidecar, encoder)
            source = look(connection, sidecar.adopted.source, sidecar.adopted.vector_field)
            sidecars.check_source(sidecar, source)
            connection.call(f"loading {name!r}", "load_collection", name)
        except BaseException:
            connection.close()
            raise
        return cls(connection, sidecar, source, encoder)

    def search(
        self,
        vector: ArrayLike,
        *,
        limit: int = 10,
        filter: str = "",
        where: Where = None,
        oversample: int = 10,
        rescore: Rescore = "vectors",
        output_fields: Sequence[str] | None = None,
    ) -> list[AdoptedHit]:
        """The rows whose vectors are nearest to ``vector`` float ``(width,)``; see :meth:`search_many`."""
        options = {"limit": limit, "filter": filter, "where": where, "oversample": oversample, "rescore": rescore}
        return self.search_many(np.asarray(vector)[None], output_fields=output_fields, **options)[0]  # type: ignore[arg-type]

    def search_many(
        self,
        vectors: ArrayLike,
        *,
        limit: int = 10,
        filter: str = "",
        where: Where = None,
        oversample: int = 10,
        rescore: Rescore = "vectors",
        output_fields: Sequence[str] | None = None,
    ) -> list[list[AdoptedHit]]:
        """The nearest rows to each of ``vectors`` float ``(q, width)``: one list of hits per query.

        The nearest rows by Hamming distance are fetched with their codes, eight times as many as candidates are wanted;
        the query's real values against these bits choose the ``limit * oversample`` candidates, and those that tie with
        the last of them, for only vectors can tell rows of one code apart. Of all queries together one query to the
        source (several when an answer would be too large) fetches their vectors and output fields.

        Every hit is a row that the source has now and that meets the filter now. A filter that names only copied
        fields and the key chooses among the candidates in the sidecar, as the last sync left it. Any other is for the
        source: where it leaves fewer than ``limit`` candidates, four times as many are looked at, and so on up to
        16,384 a query. A filter that few rows in thousands meet may so give fewer hits than there are; copy its fields.

        Args:
            vectors: What to search for.
            limit: Most hits, 1 to 16384.
            filter: A Milvus expression over fields of the source.
            where: Values that a row's fields have to have, a list for any of its values; they are quoted.
            oversample: Candidates per hit, ties not counted.
            rescore: ``vectors`` orders by the exact metric of the source; ``logits`` by the query's real values against
                the stored bits, without reading a float; None by Hamming distance.
            output_fields: Fields of the source to return; none when absent.

        Raises:
            InputError: A vector or an argument cannot be used.
            StoreError: Milvus failed or refused the filter.
        """
        check_limit(limit)
        if isinstance(oversample, bool) or not isinstance(oversample, int) or oversample < 1:
            raise InputError(f"oversample={oversample!r}: an integer from 1 is needed")
        if rescore not in ("vectors", "logits", None):
            raise InputError(f"rescore={rescore!r}: 'vectors', 'logits' or None is needed")
        condition = check_condition(narrowed(filter, where), lite=self.table.connection.lite2)
        asked = [np.asarray(vector, dtype=np.float32) for vector in np.atleast_2d(np.asarray(vectors))]
        if not asked:
            return []
        question = _Asked(
            np.stack(asked),
            self.encoder.encode("vector", asked, bits=self.bits),
            int(limit),
            condition,
            rescore,
            tuple(output_fields or ()),
        )
        return self.table.run(self._search(question, oversample))

    def close(self) -> None:
        """Close the connection."""
        self.table.close()

    def __enter__(self) -> AdoptedCollection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _search(self, question: _Asked, oversample: int) -> Steps[list[list[AdoptedHit]]]:
        candidates = min(question.limit * oversample, MAX_LIMIT)
        copied = names_only(question.filter, (self.adopted.pk, *self.adopted.fields))
        scope = Scope(filter=question.filter if copied else "")
        if question.rescore is not None:
            scope = with_codes(self.table.target, scope)
        hits: dict[int, list[AdoptedHit]] = {}
        pending = list(range(len(question.vectors)))
        while pending:
            wide = min(candidates * SIFTED, MAX_LIMIT) if question.rescore == "vectors" else candidates
            near = yield from nearest(self.table.target, question.encodings.codes[pending], scope, limit=wide)
            found: Sequence[Sequence[Row]] = near
            codes: Mapping[Key, bytes] = {}
            if question.rescore is not None:
                codes = yield from codes_of(self.table.target, near)
                found = [[row for row in some if row.pk in codes] for some in near]
            if question.rescore == "vectors":
                pairs = zip(pending, found, strict=True)
                found = [_sifted(question, number, some, codes, candidates) for number, some in pairs]
            rows = yield from self._rows(question, found)
            for number, some in zip(pending, found, strict=True):
                hits[number] = self._ranked(question, number, some, codes, rows)
            exhausted = {
                n for n, all_near in zip(pending, near, strict=True) if _is_all(len(all_near), candidates, wide)
            }
            pending = [n for n in pending if len(hits[n]) < question.limit and n not in exhausted]
            if candidates == MAX_LIMIT:
                break
            candidates = min(candidates * _WIDER, MAX_LIMIT)
        return [hits[number] for number in range(len(question.vectors))]

    def _rows(self, question: _Asked, found: Sequence[Sequence[Row]]) -> Steps[_Rows | None]:
        """The rows of the source that are among the candidates and meet the filter; None where nobody needs them."""
        if question.rescore != "vectors" and not question.filter and not question.output_fields:
            return None
        source = self._source
        field = [source.vector_field] if question.rescore == "vectors" else []
        keys = list(dict.fromkeys(row.pk for rows in found for row in rows))
        reading = Reading(
            source.name,
            source.pk,
            self.table.connection.lite2,
            (*field, *question.output_fields),
            dict.fromkeys(field, source.row_bytes),
            question.filter,
            f"the filter {question.filter!r} on" if question.filter else "reading",
        )
        rows = yield from rows_by_key(reading, keys)
        vectors = decode([row[name] for row in rows for name in field], source.kind, source.width)
        hidden = frozenset({source.pk, source.vector_field}.difference(question.output_fields))
        return _Rows({row[source.pk]: number for number, row in enumerate(rows)}, rows, vectors, hidden)

    def _ranked(
        self, question: _Asked, number: int, near: Sequence[Row], codes: Mapping[Key, bytes], rows: _Rows | None
    ) -> list[AdoptedHit]:
        """The hits of one query among its candidates."""
        there = [row for row in near if rows is None or row.pk in rows.number_of]
        if question.rescore == "vectors" and rows is not None:
            places = [rows.number_of[row.pk] for row in there]
            scores = exact_scores(question.vectors[number][None], rows.vectors[places], self.adopted.metric)[0].tolist()
        elif question.rescore == "logits":
            scores = score_codes(question.encodings.weights[number], [codes[row.pk] for row in there])
        else:
            scores = [1 - 2 * row.distance / self.bits for row in there]
        sign = 1 if question.rescore == "vectors" and self.adopted.metric == "L2" else -1
        hits = [
            AdoptedHit(row.pk, row.distance, score, {} if rows is None else rows.fields(row.pk))
            for row, score in zip(there, scores, strict=True)
        ]
        return sorted(hits, key=lambda hit: (sign * hit.score, hit.distance, hit.pk))[: question.limit]


def _sifted(question: _Asked, number: int, rows: Sequence[Row], codes: Mapping[Key, bytes], count: int) -> list[Row]:
    """Of a query's nearest rows the ``count`` best by its real values against their codes, ties with the last too.

    Only their vectors can tell rows of one code apart.
    """
    scores = score_codes(question.encodings.weights[number], [codes[row.pk] for row in rows])
    return [rows[place] for place in best_with_ties(np.array(scores), count)]


def _is_all(near: int, candidates: int, wide: int) -> bool:
    """Whether the candidates are all rows that there are."""
    return near < wide and near <= candidates


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a search is asked."""

    vectors: Vectors
    encodings: Encodings
    limit: int
    filter: str
    rescore: Rescore
    output_fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows of the source."""

    number_of: Mapping[Key, int]
    rows: Sequence[Mapping[str, Any]]
    vectors: Vectors
    hidden: frozenset[str]

    def fields(self, key: Key) -> dict[str, Any]:
        """What was asked for of a row; a dynamic field that it does not have is left out."""
        return {name: value for name, value in self.rows[self.number_of[key]].items() if name not in self.hidden}


def names_only(condition: str, fields: Sequence[str]) -> bool:
    """Whether a filter names these fields and no others; false for an empty one, and where it is not sure.

    Example:
        >>> names_only('year > 3 and name == "of year"', ["year", "name"]), names_only("meta['x'] == 1", ["year"])
        (True, False)
    """
    searches = any(word.written.lower() in ("text_match", "phrase_match") for word in words(condition))  # need an index
    return bool(condition) and not searches and set(fields).issuperset(fields_in(condition))
