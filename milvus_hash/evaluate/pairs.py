"""One to one: who is whose partner, whatever the manifest looks like.

A picture with five captions may be one row or five, and a caption may stand at several pictures. So a task is made of
what is different: each picture asks once and is one candidate, so does each text, and a partner is whatever stands in
a row with it. Nothing that is right is a rival, then: neither a picture's other captions nor a copy of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from milvus_hash.evaluate.dataset import EncodedSet
from milvus_hash.evaluate.ranking import Relevance
from milvus_hash.media.modalities import FILES


@dataclass(frozen=True, slots=True)
class Search:
    """Queries, what is searched, and what is relevant to which query."""

    queries: EncodedSet
    items: EncodedSet
    relevance: Relevance


def by_picture(encoded: Mapping[str, EncodedSet], records: int) -> dict[str, EncodedSet]:
    """The same rows with ``items`` that are equal where records have the same picture or, without one, the same clip.

    Args:
        encoded: Rows by modality.
        records: How many records there are.
    """
    group = np.arange(records)
    for modality in reversed(FILES):  # the picture has the last word
        if modality in encoded:
            rows = encoded[modality]
            _, first, number = np.unique(rows.contents, return_index=True, return_inverse=True)
            group[rows.items] = rows.items[first][number]
    return {modality: replace(rows, items=group[rows.items]) for modality, rows in encoded.items()}


def own_partners(asked: EncodedSet, searched: EncodedSet, *, within: bool) -> Search | None:
    """The one-to-one search of ``asked`` among ``searched``; None where nothing has a partner.

    Args:
        asked: Queries, with ``items`` of :func:`by_picture`.
        searched: Of the other modality, or the same rows.
        within: Whether they are the same rows: then a query is no candidate of its own.
    """
    left, right = _joined(asked.items, searched.items)
    queries, query = _different(asked.contents)
    items, item = _different(searched.contents)
    pairs = np.unique(np.stack([query[left], item[right]], axis=1), axis=0)
    if within:
        pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    if not len(pairs):
        return None
    return Search(asked.take(queries), searched.take(items), _partners(pairs, len(queries), within=within))


def _different(contents: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The first row of each content, in the order of the rows, and for each row which of them it is."""
    _, first, number = np.unique(contents, return_index=True, return_inverse=True)
    place = np.argsort(np.argsort(first))
    return np.sort(first), place[number]


def _joined(left: NDArray[np.int64], right: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions of all pairs of equal numbers."""
    order = np.argsort(right, kind="stable")
    start, stop = (np.searchsorted(right[order], left, side=side) for side in ("left", "right"))
    count = stop - start
    within = np.arange(count.sum()) - np.repeat(count.cumsum() - count, count)
    return np.repeat(np.arange(len(left)), count), order[np.repeat(start, count) + within]


def _partners(pairs: NDArray[np.int64], queries: int, *, within: bool) -> Relevance:
    """What stands in ``pairs`` (n, 2), sorted, of a query and an item, is relevant."""
    start = np.searchsorted(pairs[:, 0], np.arange(queries + 1))

    def relevance(rows: slice, columns: slice) -> NDArray[np.int8]:
        out = np.zeros((rows.stop - rows.start, columns.stop - columns.start), dtype=np.int8)
        query, item = pairs[start[rows.start] : start[rows.stop]].T
        here = (columns.start <= item) & (item < columns.stop)
        out[query[here] - rows.start, item[here] - columns.start] = 1
        if within:
            own = np.arange(max(rows.start, columns.start), min(rows.stop, columns.stop))
            out[own - rows.start, own - columns.start] = -1
        return out

    return relevance
