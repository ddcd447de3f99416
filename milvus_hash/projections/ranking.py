"""From a projection whose signs lose little to one whose signs rank well: gradient steps, in plain numpy.

Iterative quantisation keeps the numbers near their signs, all rows alike. What a search needs is the order of the few
nearest rows. So the projection starts from the rotation and is then led by the lists of neighbours themselves: for an
anchor and the neighbours of many anchors, the softmax of the scores that codes give should be the softmax of the true
similarities (a list-wise loss: Cao et al., ICML 2007), both for real numbers of the query against stored bits and for
bits against bits. Gradients pass the sign as if it were a tanh (a straight-through estimator: Bengio et al., 2013).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float32]

TEMPERATURE = 0.05  # of cosine similarities: about the spread of the similarities among near neighbours
_NEIGHBOURS = 16
_ANCHORS = 128  # of a step; their neighbours, about 1,500 rows, are what they are ranked against
_EPOCHS = 8
_STEPS = (200, 600)  # at least, at most
_RATE = 1e-3
_SCALE_RATE = 1e-2
_BLOCK = 1024


@dataclass(frozen=True, slots=True)
class Ranking:
    """Two affine maps from ``width`` numbers to ``bits``.

    Attributes:
        logits: Matrix float32 ``(width, bits)`` and offset ``(bits,)`` of what the signs are taken of.
        weights: The same of what a query brings to asymmetric scoring.
        losses: The loss of every step.
    """

    logits: tuple[Matrix, Matrix]
    weights: tuple[Matrix, Matrix]
    losses: tuple[float, ...]


def fit_ranking(x: Matrix, projection: NDArray[np.floating], *, seed: int = 0) -> Ranking:
    """Improve ``projection (width, bits)`` of centred vectors ``x`` float32 ``(n, width)``.

    The similarity is the negative squared distance, which for vectors of length 1 orders as the cosine does; its unit
    is the mean squared length of ``x``. Bits, rows and memory are bounded by ``n``: neighbours come from exact search
    among ``x``.

    Returns:
        The maps; those of the start where ``x`` has too few rows to have neighbours.
    """
    neighbours = nearest(x, min(_NEIGHBOURS, len(x) - 1))
    start = np.asarray(projection, dtype=np.float32)
    start = start / max(float(np.abs(x[:_BLOCK] @ start).mean()), 1e-12)  # logits of about 1, where tanh bends
    offset = np.zeros(start.shape[1], np.float32)
    parts = {"w": start, "c": offset, "v": start.copy(), "d": offset.copy(), **_scales(x, start)}
    random = np.random.default_rng(seed)
    anchors = min(_ANCHORS, len(x) // 4)
    steps = int(np.clip(_EPOCHS * len(x) // anchors, *_STEPS)) if anchors > 1 else 0  # few rows: nothing to rank
    adam = _Adam(parts)
    losses = []
    for step in range(steps):
        rows = random.choice(len(x), anchors, replace=False)
        loss, gradients = _gradients(parts, x, rows, np.unique(neighbours[rows]))
        adam.step(gradients, 1 - step / steps)
        losses.append(loss)
    return Ranking((parts["w"], parts["c"]), (parts["v"], parts["d"]), tuple(losses))


def nearest(x: Matrix, k: int) -> NDArray[np.intp]:
    """Rows ``(n, k)`` of the ``k`` nearest other rows of each row, in no order."""
    half = np.square(x).sum(axis=1) / 2
    found = np.empty((len(x), k), dtype=np.intp)
    for start in range(0, len(x), _BLOCK):
        score = x[start : start + _BLOCK] @ x.T - half
        score[np.arange(len(score)), start + np.arange(len(score))] = -np.inf
        found[start : start + _BLOCK] = np.argpartition(-score, k - 1, axis=1)[:, :k] if k else 0
    return found


def _scales(x: Matrix, projection: Matrix) -> dict[str, Matrix]:
    """Logarithms of the factors from either score of codes to the similarity, by least squares over pairs."""
    some, others = x[0 : 2 * _BLOCK : 2], x[1 : 2 * _BLOCK : 2]
    a, b = some @ projection, np.sign(others @ projection)
    similarity = some @ others.T
    similarity -= similarity.mean()
    logs = {}
    for name, score in (("real", a @ b.T), ("binary", np.sign(a) @ b.T)):
        score -= score.mean()
        factor = float((score * similarity).sum() / max(float(np.square(score).sum()), 1e-12))
        logs[name] = np.array(np.log(max(factor, 1e-6)), np.float32)
    return logs


def _gradients(
    parts: dict[str, Matrix], x: Matrix, rows: NDArray[np.intp], pool: NDArray[np.intp]
) -> tuple[float, dict[str, Matrix]]:
    """Loss and gradients of ``parts`` for the anchors ``rows`` ranked against the rows ``pool``."""
    anchors, items = x[rows], x[pool]
    itself = rows[:, None] == pool
    truth = _softmax((anchors @ items.T - np.square(items).sum(axis=1) / 2) / TEMPERATURE, itself)
    logits, asked = items @ parts["w"] + parts["c"], anchors @ parts["w"] + parts["c"]
    bits, asked_bits = _signs(logits), _signs(asked)
    weights = anchors @ parts["v"] + parts["d"]
    loss_real, to_weights, to_bits, to_real = _compare(weights, bits, parts["real"], truth, itself)
    loss_binary, to_asked, to_bits_too, to_binary = _compare(asked_bits, bits, parts["binary"], truth, itself)
    to_logits = (to_bits + to_bits_too / 2) * (1 - np.tanh(logits) ** 2)
    to_asked = to_asked / 2 * (1 - np.tanh(asked) ** 2)
    return loss_real + loss_binary / 2, {
        "w": items.T @ to_logits + anchors.T @ to_asked,
        "c": to_logits.sum(axis=0) + to_asked.sum(axis=0),
        "v": anchors.T @ to_weights,
        "d": to_weights.sum(axis=0),
        "real": to_real,
        "binary": to_binary / 2,
    }


def _compare(
    left: Matrix, right: Matrix, scale: Matrix, truth: Matrix, itself: NDArray[np.bool_]
) -> tuple[float, Matrix, Matrix, Matrix]:
    """Cross entropy of the scores ``left @ right'`` to ``truth``, and its gradients by left, right and scale."""
    factor = np.float32(np.exp(scale) / TEMPERATURE)
    score = factor * (left @ right.T)
    guess = _softmax(score, itself)
    loss = -float((truth * np.log(guess + 1e-12)).sum() / len(left))
    error = (guess - truth) / len(left)
    to_left, to_right = factor * (error @ right), factor * (error.T @ left)
    return loss, to_left.astype(np.float32), to_right.astype(np.float32), np.asarray((error * score).sum(), np.float32)


def _softmax(score: Matrix, hidden: NDArray[np.bool_]) -> Matrix:
    score = np.where(hidden, -np.inf, score)
    powers = np.exp(score - score.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


def _signs(logits: Matrix) -> Matrix:
    return np.where(logits > 0, np.float32(1), np.float32(-1))


class _Adam:
    """Adam (Kingma and Ba, ICLR 2015) over named arrays, changed in place."""

    def __init__(self, parts: dict[str, Matrix]) -> None:
        self._parts = parts
        self._mean = {name: np.zeros_like(value) for name, value in parts.items()}
        self._square = {name: np.zeros_like(value) for name, value in parts.items()}
        self._steps = 0

    def step(self, gradients: dict[str, Matrix], share: float) -> None:
        """One step along ``gradients``, at ``share`` of the full rate."""
        self._steps += 1
        for name, gradient in gradients.items():
            rate = share * (_SCALE_RATE if self._parts[name].ndim == 0 else _RATE)
            mean, square = self._mean[name], self._square[name]
            mean += 0.1 * (gradient - mean)
            square += 0.001 * (gradient**2 - square)
            correction = np.sqrt(1 - 0.999**self._steps) / (1 - 0.9**self._steps)
            self._parts[name] -= np.asarray(rate * correction * mean / (np.sqrt(square) + 1e-8), np.float32)
