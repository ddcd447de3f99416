"""A question in any modality to Hamming searches: the code to ask for, the filter, the hits that come back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from milvus_hash.codes import Codes, check
from milvus_hash.errors import InputError
from milvus_hash.store.schema import MODALITIES, RESERVED, split_key

if TYPE_CHECKING:
    from milvus_hash.encoder import Encoder
    from milvus_hash.media.image import ImageSource
    from milvus_hash.media.video import VideoSource

MAX_LIMIT = 16_384
"""Milvus' own bound on the number of hits."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One result of a search.

    Attributes:
        item: The item's id.
        modality: Of the row that was found.
        ordinal: Its position among the item's rows of this modality.
        distance: Hamming distance to the query, 0 to bits.
        score: ``1 - 2 * distance / bits``: the cosine of the two codes read as -1/+1, in [-1, 1].
        fields: Metadata of the row, with ``text`` or ``path`` where the ingest stored them.
    """

    item: str
    modality: str
    ordinal: int
    distance: int
    score: float
    fields: dict[str, Any]


def query_code(
    encoder: Encoder,
    bits: int,
    *,
    text: str | None = None,
    image: ImageSource | None = None,
    video: VideoSource | None = None,
    code: bytes | NDArray[np.uint8] | None = None,
) -> Codes:
    """The code ``uint8 (1, bits // 8)`` of one question: exactly one of ``text``, ``image``, ``video``, ``code``.

    Raises:
        InputError: None or several are given, or the one cannot be encoded.
    """
    asked = {"text": text, "image": image, "video": video, "code": code}
    given = {name: value for name, value in asked.items() if value is not None}
    if len(given) != 1:
        what = " and ".join(given) or "nothing"
        raise InputError(f"a search takes exactly one of text, image, video and code; {what} is given")
    if code is not None:
        row = np.frombuffer(code, dtype=np.uint8) if isinstance(code, bytes) else code
        return check(row[None] if isinstance(row, np.ndarray) else row, bits)
    ((modality, source),) = given.items()
    return encoder.encode(modality, [source], bits=bits).codes


def check_limit(limit: int) -> None:
    """Refuse a ``limit`` outside 1 to 16384.

    Raises:
        InputError: It is outside, or no integer.
    """
    if isinstance(limit, bool) or not isinstance(limit, (int, np.integer)) or not 1 <= limit <= MAX_LIMIT:
        raise InputError(f"limit={limit!r}: an integer from 1 to {MAX_LIMIT} is needed")


def combine(modality: str | None, condition: str = "") -> str:
    """A Milvus filter for the rows of ``modality`` that meet the user's ``condition``.

    Raises:
        InputError: The modality is unknown, or parentheses, brackets and quotes of the condition do not pair up: it
            could leave the modality behind, and Milvus Lite guesses what is missing.

    Example:
        >>> combine("image", 'licence == "CC0" or year < 1900')
        'modality == "image" and (licence == "CC0" or year < 1900)'
    """
    if modality is not None and modality not in MODALITIES:
        raise InputError(f"unknown modality {modality!r}; use one of {', '.join(MODALITIES)}")
    if not condition.strip():
        return "" if modality is None else f'modality == "{modality}"'
    if not _balanced(condition):
        raise InputError(f"filter {condition!r}: a parenthesis, bracket or quote is missing")
    return condition if modality is None else f'modality == "{modality}" and ({condition})'


def _balanced(condition: str) -> bool:
    """Whether every parenthesis, bracket and quote is closed by its own, quoted text aside."""
    closers, quote, escaped = "", "", False
    for char in condition:
        if quote:
            if escaped or char == "\\":
                escaped = not escaped
            elif char == quote:
                quote = ""
        elif char in "\"'":
            quote = char
        elif char in "([":
            closers += {"(": ")", "[": "]"}[char]
        elif char in ")]":
            if not closers.endswith(char):
                return False
            closers = closers[:-1]
    return not closers and not quote


def output_names(output_fields: Sequence[str] | None, declared: Iterable[str]) -> list[str]:
    """The fields to ask Milvus for; every metadata field, declared or dynamic, for None.

    Raises:
        InputError: The code is asked for; Milvus Lite fails on that, and ``get`` gives codes.
    """
    if output_fields is None:
        return [*declared, "$meta"]
    if taken := sorted({"code", "*"}.intersection(output_fields)):
        raise InputError(f"output_fields: a search cannot return {', '.join(taken)}; get(items) returns codes")
    return list(output_fields)


def to_hits(found: Iterable[Any], bits: int) -> list[Hit]:
    """What pymilvus found for one query, ordered by (distance, item, ordinal).

    Milvus promises no order among equal distances, and gives a distance as a float that may be -0.0.
    """
    hits = []
    for row in found:
        item, modality, ordinal = split_key(row.id)
        distance = round(row["distance"])
        fields = {name: value for name, value in row["entity"].items() if name not in RESERVED}
        hits.append(Hit(item, modality, ordinal, distance, 1 - 2 * distance / bits, fields))
    return sorted(hits, key=lambda hit: (hit.distance, hit.item, hit.ordinal))
