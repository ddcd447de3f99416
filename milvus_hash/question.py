"""A question: one or several texts, pictures, clips and vectors to the one code that Milvus is asked with."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypedDict, TypeVar

import numpy as np
from numpy.typing import NDArray

from milvus_hash.arguments import check_arguments, plain_methods
from milvus_hash.codes import check_one, pack
from milvus_hash.errors import InputError
from milvus_hash.names import ModalityName

if TYPE_CHECKING:
    from typing_extensions import Never, Unpack

    from milvus_hash.graph import Encodings
    from milvus_hash.media.image import ImageSource
    from milvus_hash.media.video import VideoSource
    from milvus_hash.query.own_client import PlainOptions, RequestOptions
    from milvus_hash.store.driver import AnnSearchRequest

Source = TypeVar("Source")
Parts: TypeAlias = Source | tuple[Source, float] | list[Any]  # of either; list[str] is no list[str | tuple[str, float]]
"""What a question takes of one modality: a source, a pair of a source and its weight, or a list of either."""


class Asked(TypedDict, total=False):
    """What a question can be made of, as keyword arguments; see :meth:`milvus_hash.HashCollection.search`."""

    text: Parts[str] | None
    image: Parts[ImageSource] | None
    video: Parts[VideoSource] | None
    vector: Parts[NDArray[np.floating]] | None
    item: Parts[str] | None
    code: bytes | NDArray[np.uint8] | None
    query: Query | None


_NOTHING_LEFT = 1e-5  # of the sum of the weights; parts that cancel leave some 1e-7 of float32 noise


@plain_methods
@dataclass(frozen=True, slots=True, eq=False)
class Query:
    """One question, encoded; :meth:`milvus_hash.Encoder.query` makes one.

    Attributes:
        code: Packed bits uint8 ``(bits // 8,)``.
        logits: What the signs were taken of, float32 ``(bits,)``; None for a ready code, which cannot rescore.
        weights: What each bit counts in rescoring, float32 ``(bits,)``, where the bundle gives something better than
            the logits; else None.
    """

    code: NDArray[np.uint8]
    logits: NDArray[np.float32] | None = None
    weights: NDArray[np.float32] | None = None

    @property
    def bits(self) -> int:
        """Length of the code."""
        return 8 * len(self.code)

    def to_search(
        self, into: ModalityName | None = "image", filter: str = "", **options: Unpack[PlainOptions]
    ) -> dict[str, Any]:
        """Keyword arguments for ``MilvusClient.search`` and ``AsyncMilvusClient.search``; add ``collection_name``.

        Args:
            into: Modality of the rows to find, in a collection of this package; None leaves the condition out, for
                a collection of another schema.
            filter: A Milvus expression over the metadata.
            options: How many, which fields: see :class:`~milvus_hash.query.own_client.PlainOptions`.

        Raises:
            InputError: Modality, limit, offset or filter cannot be used.

        Example:
            >>> import numpy as np
            >>> question = Query(np.array([255], dtype=np.uint8))
            >>> question.to_search("text", limit=3)["filter"]
            'modality == "text"'
        """
        from milvus_hash.query.own_client import to_search

        return to_search(self.code, into, filter, **options)

    def to_ann_request(
        self, into: ModalityName | None = "image", filter: str = "", **options: Unpack[RequestOptions]
    ) -> AnnSearchRequest:
        """One request of a ``hybrid_search``, over several fields of codes or over codes and floats.

        See :meth:`to_search` for the arguments, of which ``offset`` and ``output_fields`` belong to the whole. Fuse
        with ``RRFRanker``, which counts ranks: ``WeightedRanker`` puts distances through an arctangent, after which
        Hamming distances above 20 are all the same.

        Raises:
            InputError: Modality, limit or filter cannot be used.
        """
        from milvus_hash.query.own_client import to_ann_request

        return to_ann_request(self.code, into, filter, **options)


class Encodes(Protocol):
    """What makes codes of sources, as :meth:`milvus_hash.Encoder.encode` does."""

    def encode(self, modality: str, sources: Sequence[Any], *, bits: int | None = None) -> Encodings:
        """Codes, logits and weights of ``sources``, all of one modality."""


def ask(
    encoder: Encodes,
    bits: int,
    *,
    text: Parts[str] | None = None,
    image: Parts[ImageSource] | None = None,
    video: Parts[VideoSource] | None = None,
    vector: Parts[NDArray[np.floating]] | None = None,
    item: Parts[str] | None = None,
    code: bytes | NDArray[np.uint8] | None = None,
    query: Query | None = None,
    **unknown: Never,
) -> Query:
    """The one question of all the parts that are given, or of a ready ``code`` or ``query`` alone.

    Raises:
        InputError: Nothing is given, a ready code or query beside something else, a part cannot be encoded or weighed,
            or the parts cancel out.
    """
    check_arguments(unknown, Asked.__annotations__)
    parts = {"text": text, "image": image, "video": video, "vector": vector, "item": item}
    given = {modality: part for modality, part in parts.items() if part is not None}
    ready = {"code": code, "query": query}
    names = [*given, *(name for name, value in ready.items() if value is not None)]
    if not names:
        raise InputError("a question needs a text, image, video, vector, item, code or query; nothing is given")
    if len(names) > 1 and len(names) > len(given):
        raise InputError(f"a ready code or query cannot be mixed with other parts; {' and '.join(names)} are given")
    if code is not None:
        return Query(check_one(code, bits))
    if query is not None:
        return check_query(query, bits)
    return _compose(encoder, bits, {modality: _weighed(modality, part) for modality, part in given.items()})


def sources(modality: str, part: object) -> list[Any]:
    """What was given for one modality, without the weights.

    Raises:
        InputError: It is not what a question takes.
    """
    return [] if part is None else [source for source, _ in _weighed(modality, part)]


def check_query(query: object, bits: int) -> Query:
    """Return ``query`` if it is one of ``bits`` bits.

    Raises:
        InputError: It is not.
    """
    if not isinstance(query, Query):
        raise InputError(f"{type(query).__name__} is given where a Query is needed: make one with encoder.query(...)")
    check_one(query.code, bits)
    return query


def _compose(encoder: Encodes, bits: int, parts: Mapping[str, list[tuple[Any, float]]]) -> Query:
    """The sign of the weighted sum of all parts' logits, each of which is scaled to unit length first.

    Networks of several modalities give logits of different lengths, which would outweigh the weights.
    """
    logits, weights = np.zeros(bits), np.zeros(bits)
    for modality, weighed in parts.items():
        found = encoder.encode(modality, [source for source, _ in weighed], bits=bits)
        rows = zip(found.logits.astype(np.float64), found.weights.astype(np.float64), strict=True)
        for (row, row_weights), (_, weight) in zip(rows, weighed, strict=True):
            length = np.linalg.norm(row)
            if not 0 < length < np.inf:
                raise InputError(f"a {modality} has logits of length {length}: it says nothing to search for")
            logits += weight / length * row
            weights += weight / length * row_weights
    factors = [weight for weighed in parts.values() for _, weight in weighed]
    if not np.linalg.norm(logits) > _NOTHING_LEFT * math.fsum(map(abs, factors)):
        raise InputError(f"the parts of the question cancel out with weights {factors}: change a weight or a part")
    same = np.array_equal(logits, weights)
    return Query(pack(logits[None])[0], logits.astype(np.float32), None if same else weights.astype(np.float32))


def _weighed(modality: str, part: object) -> list[tuple[Any, float]]:
    """The (source, weight) pairs in what was given for one modality.

    Raises:
        InputError: The list is empty, or a weight is no number, zero or not finite.
    """
    if modality == "vector" and isinstance(part, list) and part and all(isinstance(value, Real) for value in part):
        part = np.asarray(part, dtype=np.float32)  # one vector, as pymilvus takes it
    some = part if isinstance(part, list) else [part]
    if not some:
        raise InputError(f"{modality}=[]: at least one is needed")
    pairs = [one if isinstance(one, tuple) else (one, 1.0) for one in some]
    for pair in pairs:
        if len(pair) != 2:
            raise InputError(f"{modality}: {pair!r} is no pair of a source and its weight")
        weight = pair[1]
        if isinstance(weight, bool) or not isinstance(weight, Real) or not math.isfinite(weight) or not weight:
            raise InputError(
                f"{modality} has the weight {weight!r}: a number other than 0 is needed, a negative one for 'without'; "
                "a tuple is a source and its weight, several sources are a list"
            )
    return [(source, float(weight)) for source, weight in pairs]
