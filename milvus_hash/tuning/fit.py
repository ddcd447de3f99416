"""The least effort with which an index reaches a wanted recall.

A search's recall grows with the lists (of BIN_IVF_FLAT) or candidates (of HNSW) that it looks at, so that the fewest
that will do are found by halving.
"""

from __future__ import annotations

from math import sqrt

from milvus_hash.store.index import EFFORT, Index, with_search
from milvus_hash.tuning.measure import Probes, Ruler
from milvus_hash.tuning.result import Point

_CAREFUL = 0.5  # the fitted recall lies above the wanted one by so many standard errors,
_MARGIN = 0.002  # but by no more than this
_ENOUGH = 0.9995  # recall at which a curve ends
_MOST_EF = 4096


def fit(ruler: Ruler, probes: Probes, index: Index, asked: float) -> Index | None:
    """``index`` with the least effort whose recall on ``probes`` is ``asked``; None if no effort reaches it."""
    name, least, most = _range(ruler, index)

    def reaches(effort: int) -> bool:
        recalls = ruler.recalls(probes, {name: effort})
        margin = min(_CAREFUL * float(recalls.std()) / sqrt(len(recalls)), _MARGIN)
        return float(recalls.mean()) - margin >= asked

    low, high = least - 1, least  # the answer is above low; doubled first, because small efforts are quick to try
    while not reaches(high):
        if high == most:
            return None
        low, high = high, min(2 * high, most)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reaches(middle) else (middle, high)
    return with_search(index, {name: high})


def point(ruler: Ruler, probes: Probes, index: Index) -> Point:
    """``index`` as it is searched, measured on ``probes``."""
    (milliseconds,) = ruler.milliseconds(probes, [index.search])
    return Point(index, _recall(ruler, probes, index), milliseconds)


def curve(ruler: Ruler, probes: Probes, index: Index, fitted: Index | None) -> list[Point]:
    """Points of doubled effort until nothing is missing, and ``fitted`` among them, measured on ``probes``."""
    name, effort, most = _range(ruler, index)
    recalls: dict[int, float] = {}
    while effort <= most and (not recalls or max(recalls.values()) < _ENOUGH):
        recalls[effort] = _recall(ruler, probes, with_search(index, {name: effort}))
        effort *= 2
    if fitted is not None:
        recalls[fitted.search[name]] = _recall(ruler, probes, fitted)
    ways = [with_search(index, {name: effort}) for effort in sorted(recalls)]
    times = ruler.milliseconds(probes, [way.search for way in ways])
    return [Point(way, recalls[way.search[name]], taken) for way, taken in zip(ways, times, strict=True)]


def _recall(ruler: Ruler, probes: Probes, index: Index) -> float:
    return round(float(ruler.recalls(probes, index.search).mean()), 5)


def _range(ruler: Ruler, index: Index) -> tuple[str, int, int]:
    """The parameter of the effort, its least and its greatest sensible value."""
    name = EFFORT[index.kind]
    return (
        (name, 1, index.build["nlist"]) if name == "nprobe" else (name, ruler.limit + 1, max(_MOST_EF, ruler.limit + 1))
    )
