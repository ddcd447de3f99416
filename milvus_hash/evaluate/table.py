"""The method x bits table: one line a method, task, length and way of ranking."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from milvus_hash.evaluate.baselines.measure import Baseline
from milvus_hash.evaluate.floats import Score
from milvus_hash.evaluate.report import Report

_CEILINGS = ("logits", "embedding", "cca float")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table.

    Attributes:
        method: The name of a bundle or baseline.
        score: The figures.
        map_of_float: mAP divided by that of the method's best float vectors in this task; NaN without any.
        hit_of_float: The same of the one-to-one figures, by k.
    """

    method: str
    score: Score
    map_of_float: float
    hit_of_float: Mapping[int, float]

    def row(self) -> dict[str, Any]:
        """All figures in one flat mapping."""
        ratios = {"map_of_float": self.map_of_float, "hit_of_float": self.hit_of_float}
        return {"method": self.method, **asdict(self.score), **ratios}


def lines(method: str, figures: Report | Baseline) -> Iterator[Line]:
    """The lines of one method: its codes, then what is ranked with floats."""
    for score in [*_codes(figures), *figures.floats]:
        floats = [entry for entry in figures.floats if entry.by in _CEILINGS and entry.task == score.task]
        yield Line(
            method,
            score,
            _ratio(score.map, [entry.map for entry in floats]),
            {k: _ratio(hit, [entry.hit[k] for entry in floats]) for k, hit in score.hit.items()},
        )


def _codes(figures: Report | Baseline) -> Iterator[Score]:
    """The figures by labels and one to one, which a report keeps apart, together."""
    tasks = {(entry.task, entry.bits): entry for entry in figures.tasks}
    pairs = {(entry.task, entry.bits): entry for entry in figures.pairs}
    for key in dict.fromkeys([*tasks, *pairs]):
        task, pair = tasks.get(key), pairs.get(key)
        yield Score(
            "code",
            *key,
            map=task.map if task else math.nan,
            map_interval=task.map_interval if task else (math.nan, math.nan),
            hit=pair.hit if pair else {},
            hit_interval=pair.hit_interval if pair else {},
        )


def _ratio(value: float, floats: Sequence[float]) -> float:
    best = max((entry for entry in floats if not math.isnan(entry)), default=math.nan)
    return value / best if best else math.nan
