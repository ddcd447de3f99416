"""Indexes on codes: which there are, how they are built, how hard a search looks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import log2, sqrt
from typing import Any

from milvus_hash.arguments import check_mapping
from milvus_hash.errors import InputError, StoreError

KINDS = ("BIN_FLAT", "BIN_IVF_FLAT", "HNSW", "AUTOINDEX")

EXACT_UP_TO = 2_000_000
"""Rows up to which ``auto`` is BIN_FLAT: it looks at a million 64-bit codes in 5-7 ms on two cores, so that there is
little to win by looking at fewer of them, and nothing is lost."""

SEGMENT_ROWS = 500_000
"""About the rows of a full segment of a server: 512 MB at the KB that Milvus estimates for a row of this schema (it
counts a text as at most 256 bytes, whatever its declared length). Every segment has an index of its own."""

NLIST = 1024
"""Lists of a BIN_IVF_FLAT index per segment, where the number of rows is unknown; Milvus lowers it to rows / 39."""

PROBED = 16
"""One list in so many is looked at until ``tune`` has fitted the number."""

EFFORT = {"BIN_IVF_FLAT": "nprobe", "HNSW": "ef"}
"""The search parameter that says how hard a search looks."""

_BUILD = {"BIN_FLAT": {}, "BIN_IVF_FLAT": {"nlist": NLIST}, "HNSW": {"M": 30, "efConstruction": 360}, "AUTOINDEX": {}}
_MOST = 65_536  # lists, probes and ef, as Milvus bounds them


@dataclass(frozen=True, slots=True)
class Index:
    """An index on the codes of a collection.

    Attributes:
        kind: ``BIN_FLAT`` (exact), ``BIN_IVF_FLAT`` (inverted lists), ``HNSW`` (a graph, Milvus 2.6.4 and later) or
            ``AUTOINDEX`` (approximate, what the server likes, without parameters).
        build: What it is built with: ``nlist``; ``M`` and ``efConstruction``.
        search: How hard a search looks unless told otherwise: ``nprobe``; ``ef``.
    """

    kind: str
    build: Mapping[str, int] = field(default_factory=dict)
    search: Mapping[str, int] = field(default_factory=dict)

    @property
    def exact(self) -> dict[str, int]:
        """Search parameters with which every row is looked at; as near as it gets for HNSW and AUTOINDEX."""
        if self.kind == "BIN_IVF_FLAT":
            nlist = self.build.get("nlist", NLIST)
            return {"nprobe": nlist}
        return {"ef": _MOST} if self.kind == "HNSW" else {}


def resolve(kind: str, *, lite: bool, rows: int | None = None) -> Index:
    """The index for ``auto`` or one of :data:`KINDS`, with its defaults.

    ``auto`` is ``BIN_FLAT`` on Milvus Lite and up to :data:`EXACT_UP_TO` rows, and ``BIN_IVF_FLAT`` beyond.

    Args:
        kind: What is asked for.
        lite: Whether it is for Milvus Lite.
        rows: How many the collection is expected to have; unknown, which counts as few, for None.

    Raises:
        InputError: Another index, or ``rows`` is no number of rows.
        StoreError: Milvus Lite knows BIN_FLAT only.
    """
    if rows is not None and (type(rows) is not int or rows < 0):
        raise InputError(f"expected_rows={rows!r}: an integer from 0 on is needed, or None")
    if kind == "auto":
        kind = "BIN_FLAT" if lite or (rows or 0) <= EXACT_UP_TO else "BIN_IVF_FLAT"
    if kind not in KINDS:
        raise InputError(f"index {kind!r}: use auto, {', '.join(KINDS)}")
    if lite and kind != "BIN_FLAT":
        raise StoreError(f"Milvus Lite has no {kind}: use index='BIN_FLAT', or a Milvus server")
    if kind == "BIN_IVF_FLAT":
        return inverted_lists(NLIST if rows is None else lists_for(rows))
    return Index(kind, _BUILD[kind])


def inverted_lists(nlist: int) -> Index:
    """A BIN_IVF_FLAT index of ``nlist`` lists a segment."""
    return Index("BIN_IVF_FLAT", {"nlist": nlist}, {"nprobe": max(1, nlist // PROBED)})


def lists_for(rows: int) -> int:
    """Lists of a segment for a collection of so many rows: the power of two nearest to ``4 * sqrt(n)``.

    ``n`` are the rows of one segment, and a list has 39 of them at least, as Milvus wants it.

    Example:
        >>> lists_for(5_000), lists_for(100_000), lists_for(10_000_000)
        (128, 1024, 2048)
    """
    return min(int(2 ** round(log2(4 * sqrt(_in_segment(rows))))), _most_lists(rows))


def lists_to_try(rows: int) -> list[int]:
    """Numbers of lists among which to choose by measuring: the rule's, and half as many.

    More would be a little faster to search, and slow to build: that takes time in proportion to rows times lists.

    Example:
        >>> lists_to_try(5_000), lists_to_try(10_000_000)
        ([64, 128], [1024, 2048])
    """
    rule = lists_for(rows)
    return sorted({max(1, rule // 2), rule})


def _in_segment(rows: int) -> int:
    return min(max(rows, 1), SEGMENT_ROWS)


def _most_lists(rows: int) -> int:
    """The greatest power of two for which every list has 39 rows."""
    return int(2 ** int(log2(max(1, _in_segment(rows) // 39))))


def index_of(described: Mapping[str, Any]) -> Index:
    """The index in what ``describe_index`` gives, whose numbers are texts, searched by the defaults."""
    kind = described["index_type"]
    if kind == "BIN_IVF_FLAT":
        return inverted_lists(int(described.get("nlist", NLIST)))
    known = resolve(kind, lite=False)
    return Index(kind, {name: int(described[name]) for name in known.build if name in described})


def with_search(index: Index, search: Mapping[str, int]) -> Index:
    """The same index, looked into as ``search`` says."""
    return replace(index, search=dict(search))


def check_search(kind: str, params: Mapping[str, int]) -> None:
    """Refuse search parameters that an index of this kind has no use for.

    Raises:
        InputError: An unknown name, or a value that is no integer from 1 to 65536.
    """
    check_mapping("search_params", params, '{"nprobe": 128}')
    for name, value in params.items():
        if name not in EFFORT.values():
            raise InputError(f"search_params has {name!r}; an index {kind} takes {EFFORT.get(kind, 'none')}")
        if type(value) is not int or not 1 <= value <= _MOST:
            raise InputError(f"{name}={value!r}: an integer from 1 to {_MOST} is needed")
