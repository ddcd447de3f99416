"""How many of the nearest vectors codes find, counted in one pass over the rows in plain numpy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from milvus_hash.adopt.scores import SIFTED, best_with_ties, exact_scores
from milvus_hash.adopt.source import Vectors
from milvus_hash.codes import Codes, asymmetric_score, hamming
from milvus_hash.graph import Encodings
from milvus_hash.store.target import Key

Costs = NDArray[np.float64]

_ROUNDING = 1e-6  # float32 sums of the same products differ by this much


class Recall:
    """The rows that some queries should find, and those that their codes do find, while rows stream by.

    A query is a row of the collection; it is never counted as its own neighbour.

    Args:
        keys: Primary keys of the queries.
        vectors: Their vectors float32 ``(q, width)``.
        encodings: Their codes and real values.
        metric: ``COSINE``, ``IP`` or ``L2``.
        k: Neighbours per query.
        oversample: Candidates per neighbour before rescoring.
    """

    def __init__(
        self, keys: Sequence[Key], vectors: Vectors, encodings: Encodings, metric: str, *, k: int, oversample: int
    ) -> None:
        self.rows = 0
        self._number_of: Mapping[Key, int] = {key: number for number, key in enumerate(keys)}
        self._vectors = vectors
        self._encodings = encodings
        self._metric = metric
        self._k = k
        self._exact = _Nearest(len(keys), k)
        self._candidates = k * oversample
        self._near = _Nearest(len(keys), self._candidates * SIFTED)
        self._asymmetric = _Nearest(len(keys), k)

    def add(self, keys: Sequence[Key], vectors: Vectors, codes: Codes) -> None:
        """Let rows pass: their keys, vectors float32 ``(n, width)`` and codes uint8 ``(n, bits // 8)``."""
        exact = exact_scores(self._vectors, vectors, self._metric).astype(np.float64)
        exact = exact if self._metric == "L2" else -exact
        asymmetric = -asymmetric_score(self._encodings.weights, codes).astype(np.float64)
        costs: list[tuple[_Nearest, Costs]] = [
            (self._exact, exact.copy()),
            (self._near, hamming(self._encodings.codes, codes).astype(np.float64)),
            (self._asymmetric, asymmetric.copy()),
        ]
        own = [(self._number_of[key], row) for row, key in enumerate(keys) if key in self._number_of]
        for number, row in own:
            exact[number, row] = asymmetric[number, row] = np.inf
        for nearest, cost in costs:
            for number, row in own:
                cost[number, row] = np.inf
            nearest.add(cost, exact, asymmetric)
        self.rows += len(keys)

    def figures(self) -> dict[str, float]:
        """Recall of ``raw`` codes, of ``asymmetric`` scoring, and of candidates ``rescored`` by their vectors.

        Each is the mean share of the ``k`` nearest rows by the exact metric that is found; a row as near as the last
        of them counts as one of them, since which of several equal vectors are among the ``k`` is chance. NaN without
        rows. Candidates are those of a search: nearest by Hamming distance, then best by the query's real values.
        Rescoring puts every one of them that is among these into its place.
        """
        found: dict[str, Iterable[Costs]] = {
            "raw": self._near.exact[:, : self._k],
            "asymmetric": self._asymmetric.exact,
            "rescored": self._near.best(self._candidates),
        }
        return {name: _share(self._exact.exact, costs) for name, costs in found.items()}


class _Nearest:
    """The rows of least cost per query, best first, of all that were added; which of several at the last is open.

    Attributes:
        exact: float64 ``(q, n)``: what the exact metric says of these rows; infinite for the query itself.
        asymmetric: float64 ``(q, n)``: the cost of these rows by the query's real values.
    """

    def __init__(self, queries: int, most: int) -> None:
        self._most = most
        self._costs: Costs = np.empty((queries, 0))
        self.exact: Costs = np.empty((queries, 0))
        self.asymmetric: Costs = np.empty((queries, 0))

    def add(self, costs: Costs, exact: Costs, asymmetric: Costs) -> None:
        """Let rows pass, with costs, exact and asymmetric ones ``(q, n)``."""
        self._costs = np.concatenate([self._costs, costs], axis=1)
        self.exact = np.concatenate([self.exact, exact], axis=1)
        self.asymmetric = np.concatenate([self.asymmetric, asymmetric], axis=1)
        if self._costs.shape[1] > self._most:
            self._keep(np.argpartition(self._costs, self._most - 1, axis=1)[:, : self._most])
        self._keep(np.argsort(self._costs, axis=1, kind="stable"))

    def _keep(self, places: NDArray[np.intp]) -> None:
        self._costs = np.take_along_axis(self._costs, places, axis=1)
        self.exact = np.take_along_axis(self.exact, places, axis=1)
        self.asymmetric = np.take_along_axis(self.asymmetric, places, axis=1)

    def best(self, most: int) -> list[Costs]:
        """Exact costs of the ``most`` rows of least asymmetric cost, and of those that tie with the last of them."""
        pairs = zip(self.exact, self.asymmetric, strict=True)
        return [exact[best_with_ties(-asymmetric, most)] for exact, asymmetric in pairs]


def _share(wanted: Costs, found: Iterable[Costs]) -> float:
    """Mean share of the rows with exact costs ``wanted (q, k)`` that each query's rows ``found (n,)`` can stand for."""
    shares = []
    for want, have in zip(wanted, found, strict=True):
        near = want[np.isfinite(want)]
        if len(near):
            bound = near[-1] + _ROUNDING * max(1.0, abs(near[-1]))
            shares.append(min(1.0, np.count_nonzero(have <= bound) / len(near)))
    return float(np.mean(shares)) if shares else float("nan")
