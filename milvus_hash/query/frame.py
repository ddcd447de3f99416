"""Hits as a pandas data frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from milvus_hash.errors import InputError
from milvus_hash.extras import require
from milvus_hash.query.hits import Hit

if TYPE_CHECKING:
    from pandas import DataFrame

_ABOUT = ("item", "modality", "ordinal", "distance", "score")


def to_frame(hits: Sequence[Hit] | Sequence[Sequence[Hit]]) -> DataFrame:
    """The hits as a pandas data frame, one row a hit in their order.

    Args:
        hits: Of one question, or a list for each of several, as ``search_many`` gives them: then a column ``query``
            has the place of the question. Those of adopted collections have their own columns.

    Returns:
        The columns ``item``, ``modality``, ``ordinal``, ``distance`` and ``score``, then one for each metadata field of
        any hit; ``fields.score`` is a metadata field that is called as one of the former. What a hit lacks is missing.

    Raises:
        InputError: These are no hits.
        MissingExtra: pandas is not installed.

    Example:
        >>> to_frame([Hit("rose", "text", 0, 3, 0.9, {"year": 2004})]).to_dict("records")
        [{'item': 'rose', 'modality': 'text', 'ordinal': 0, 'distance': 3, 'score': 0.9, 'year': 2004}]
    """
    pandas = require("pandas", "frame")
    several = isinstance(hits, Sequence) and any(not hasattr(hit, "to_dict") for hit in hits)
    answers = list(map(_checked, hits if several else [hits]))
    found = next((hit for answer in answers for hit in answer), None)
    about = [*(["query"] if several else []), *(name for name in getattr(found, "_fields", _ABOUT) if name != "fields")]
    rows = [_row(number, hit, about) for number, answer in enumerate(answers) for hit in answer]
    return pandas.DataFrame(rows, columns=list(dict.fromkeys([*about, *(name for row in rows for name in row)])))


def _checked(answer: object) -> Sequence[Any]:
    if (
        isinstance(answer, tuple)
        or not isinstance(answer, Sequence)
        or not all(hasattr(hit, "to_dict") for hit in answer)
    ):
        raise InputError(f"hits are needed, as search() or search_many() gives them, not {answer!r:.60}")
    return answer


def _row(number: int, hit: Any, about: Sequence[str]) -> dict[str, Any]:  # noqa: ANN401 (a hit of any collection)
    row = {"query": number, **hit.to_dict()}
    fields = row.pop("fields")
    known = {name: row[name] for name in about}
    return {**known, **{f"fields.{name}" if name in known else name: value for name, value in fields.items()}}
