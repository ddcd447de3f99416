"""Indexes on codes: which there are, how they are built, how hard a search looks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from milvus_hash.errors import InputError, StoreError

KINDS = ("BIN_FLAT", "BIN_IVF_FLAT", "HNSW")

NLIST = 1024
"""Lists of a BIN_IVF_FLAT index per segment: about 4 * sqrt(n) for 65,000 rows; Milvus lowers it to rows / 39."""

NPROBE = 64
"""Lists of a BIN_IVF_FLAT index that a search looks at, until ``tune`` has fitted the number."""

_BUILD = {"BIN_FLAT": {}, "BIN_IVF_FLAT": {"nlist": NLIST}, "HNSW": {"M": 30, "efConstruction": 360}}
_SEARCH = {"BIN_FLAT": {}, "BIN_IVF_FLAT": {"nprobe": NPROBE}, "HNSW": {}}
_MOST = 65_536  # lists, probes and ef, as Milvus bounds them


@dataclass(frozen=True, slots=True)
class Index:
    """An index on the codes of a collection.

    Attributes:
        kind: ``BIN_FLAT`` (exact), ``BIN_IVF_FLAT`` (inverted lists) or ``HNSW`` (a graph, Milvus 2.6.4 and later).
        build: What it is built with: ``nlist``; ``M`` and ``efConstruction``.
        search: How hard a search looks unless told otherwise: ``nprobe``; ``ef``.
    """

    kind: str
    build: Mapping[str, int] = field(default_factory=dict)
    search: Mapping[str, int] = field(default_factory=dict)

    @property
    def exact(self) -> dict[str, int]:
        """Search parameters with which every row is looked at; as near as it gets for a graph."""
        if self.kind == "BIN_IVF_FLAT":
            nlist = self.build.get("nlist", NLIST)
            return {"nprobe": nlist, "max_empty_result_buckets": _MOST}
        return {"ef": _MOST} if self.kind == "HNSW" else {}


def resolve(kind: str, *, lite: bool) -> Index:
    """The index for ``auto``, ``BIN_FLAT``, ``BIN_IVF_FLAT`` or ``HNSW``, with its defaults.

    ``auto`` is ``BIN_FLAT``: exact, and 5-7 ms for a million 64-bit codes.

    Raises:
        InputError: Another index.
        StoreError: Milvus Lite knows BIN_FLAT only.
    """
    kind = "BIN_FLAT" if kind == "auto" else kind
    if kind not in KINDS:
        raise InputError(f"index {kind!r}: use auto, {', '.join(KINDS)}")
    if lite and kind != "BIN_FLAT":
        raise StoreError(f"Milvus Lite has no {kind}: use index='BIN_FLAT', or a Milvus server")
    return Index(kind, _BUILD[kind], _SEARCH[kind])


def check_search(kind: str, params: Mapping[str, int] | None) -> None:
    """Refuse search parameters that an index of this kind has no use for.

    Raises:
        InputError: An unknown name, or a value that is no integer from 1 to 65536.
    """
    known = {"BIN_FLAT": (), "BIN_IVF_FLAT": ("nprobe",), "HNSW": ("ef",)}[kind]
    for name, value in (params or {}).items():
        if name not in ("nprobe", "ef"):
            raise InputError(f"search_params has {name!r}; an index {kind} takes {', '.join(known) or 'none'}")
        if type(value) is not int or not 1 <= value <= _MOST:
            raise InputError(f"{name}={value!r}: an integer from 1 to {_MOST} is needed")
