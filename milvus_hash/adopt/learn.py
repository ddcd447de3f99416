"""Codes for float vectors that another model made: learned from a sample of them, written as a bundle."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from milvus_hash.adopt.graph import SMALLEST_NORM, Affine, write_graph
from milvus_hash.bundle import Bundle, Modality, VectorInput, write_bundle
from milvus_hash.codes import Codes, pack
from milvus_hash.errors import InputError
from milvus_hash.media.vector import check_vectors
from milvus_hash.projections.cca import fit_cca
from milvus_hash.projections.itq import fit_itq
from milvus_hash.projections.ranking import fit_ranking

Metric: TypeAlias = Literal["COSINE", "IP", "L2"]

_GRAPH = "vector.onnx"
_POWER = 2  # components of a CCA are weighted by this power of their correlation, as in milvus_hash.evaluate


@dataclass(frozen=True, slots=True, eq=False)
class Hash:
    """What was learned: two affine maps of a vector.

    Attributes:
        method: ``pca-itq`` or ``cca-itq``: what the maps were started from.
        unit: Vectors are scaled to length 1 first (COSINE).
        logits: Matrix float32 ``(width, bits)`` and offset ``(bits,)``; the code is the signs of this map.
        weights: The same; what a query brings to asymmetric scoring of stored codes.
    """

    method: str
    unit: bool
    logits: Affine
    weights: Affine

    @property
    def width(self) -> int:
        """Numbers per vector."""
        return int(self.logits[0].shape[0])

    @property
    def bits(self) -> int:
        """Bits per code."""
        return int(self.logits[0].shape[1])

    def codes(self, vectors: NDArray[np.floating]) -> Codes:
        """Codes uint8 ``(n, bits // 8)`` of vectors ``(n, width)``, as the graph of the bundle gives them.

        Raises:
            InputError: The first row that is not ``width`` finite numbers.
        """
        matrix, offset = self.logits
        return pack(_scaled(check_vectors(vectors, self.width), self.unit) @ matrix + offset)


def learn(
    vectors: NDArray[np.floating],
    bits: int,
    *,
    metric: Metric = "COSINE",
    pairs: NDArray[np.floating] | None = None,
    rank: bool = True,
    seed: int = 0,
) -> Hash:
    """Learn codes of ``bits`` bits from a sample of the vectors that will be searched.

    The start is iterative quantisation: the principal components (or, with ``pairs``, the components that the two
    views share) are rotated so that their signs lose least. From there the maps learn to rank the sample's own
    neighbours (:mod:`milvus_hash.projections.ranking`), a matter of a minute for 30,000 vectors. More bits than
    components are allowed: the rotation then spreads the components over all of them.

    Bits say on which side of a plane a vector is, and nothing about how long it is. With COSINE the length does not
    matter, and the graph takes it out. With IP and L2 vectors are taken as they are: planes go through the mean of the
    sample, so a longer vector of the same direction may get another code, but two that differ in length alone are
    told apart only by planes between them. Where lengths vary much, rescore by the floats; IP over vectors of one
    length is COSINE.

    Args:
        vectors: Float ``(n, width)``, a sample of at least 2 and better 100 rows per bit.
        bits: Code length, a multiple of 8.
        metric: What the source compares by: ``COSINE``, ``IP`` or ``L2``.
        pairs: A second view of the same items, ``(n, any width)``; what both views agree on is kept.
        rank: Go on from the rotation to ranking. It is left out with ``pairs``, whose agreement is not the order of
            the neighbours in one view.
        seed: Of the rotation and of the order of the sample.

    Raises:
        InputError: Rows that are not finite numbers, too few of them or all the same, a metric or a number of bits
            that cannot be, or pairs that do not match.

    Example:
        >>> vectors = np.random.default_rng(0).standard_normal((200, 16))
        >>> learn(vectors, 32).codes(vectors[:2]).shape
        (2, 4)
    """
    if metric not in get_args(Metric):
        raise InputError(f"metric {metric!r}: {', '.join(get_args(Metric))} are possible")
    if isinstance(bits, bool) or not isinstance(bits, int) or bits <= 0 or bits % 8:
        raise InputError(f"{bits!r} bits: a positive multiple of 8 is needed")
    unit = metric == "COSINE"
    x = _scaled(_sample(vectors), unit)
    mean = x.mean(axis=0, dtype=np.float64)
    centred = np.asarray(x - mean, np.float32)
    if not np.abs(centred).max() > 1e-6 * np.abs(x).max():
        raise InputError("all vectors of the sample are the same; codes can be learned only from vectors that vary")
    size = float(np.sqrt(np.square(centred).sum(axis=1).mean()))
    centred /= size  # one temperature and one rate of learning, whatever the unit of the vectors
    if pairs is None:
        components, method = _principal(centred, bits), "pca-itq"
    else:
        components, method = _shared(centred, _sample(pairs), bits), "cca-itq"
    rotated = _rotate(centred, components, bits, seed)
    if rank and pairs is None:
        found = fit_ranking(centred, rotated, seed=seed)
        logits, weights = found.logits, found.weights
    else:
        logits = weights = rotated.astype(np.float32), np.zeros(bits, np.float32)
    return Hash(method, unit, _uncentred(logits, mean, size), _uncentred(weights, mean, size))


def write_vector_bundle(
    path: str | Path,
    learned: Hash,
    *,
    name: str,
    trained_on: str,
    licence: str = "unstated",
    metrics: Mapping[str, Any] | None = None,
) -> Bundle:
    """Write ``learned`` to folder ``path`` as a bundle of modality ``vector``, and read it back.

    Raises:
        BundleError: ``path`` holds something else than a bundle.
        MissingExtra: ``onnx`` is not installed.
    """
    with tempfile.TemporaryDirectory() as scratch:
        graph = Path(scratch) / _GRAPH
        write_graph(graph, unit=learned.unit, logits=learned.logits, weights=learned.weights)
        return write_bundle(
            path,
            name=name,
            method=learned.method,
            bits=[learned.bits],
            modalities={"vector": Modality(_GRAPH, VectorInput(learned.width))},
            files={_GRAPH: graph},
            licence=licence,
            trained_on=trained_on,
            metrics=metrics,
        )


def _sample(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    if np.ndim(vectors) != 2 or len(vectors) < 2 or not np.shape(vectors)[1]:
        raise InputError(f"the sample has shape {np.shape(vectors)}; a matrix of at least 2 vectors is needed")
    return check_vectors(vectors, np.shape(vectors)[1])


def _scaled(x: NDArray[np.float32], unit: bool) -> NDArray[np.float32]:
    if not unit:
        return x
    return np.asarray(x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), np.float32(SMALLEST_NORM)), np.float32)


def _principal(centred: NDArray[np.float32], bits: int) -> NDArray[np.float64]:
    """Directions ``(width, k)`` of the largest variances, ``k`` at most ``bits``."""
    _, directions = np.linalg.eigh((centred.T @ centred / len(centred)).astype(np.float64))
    return np.ascontiguousarray(directions[:, ::-1][:, :bits])


def _shared(centred: NDArray[np.float32], pairs: NDArray[np.float32], bits: int) -> NDArray[np.float64]:
    """Directions ``(width, k)`` that agree best with ``pairs``, each as long as it counts."""
    cca = fit_cca(centred, pairs)
    return (cca.x.weights * cca.correlations**_POWER)[:, :bits]


def _rotate(centred: NDArray[np.float32], components: NDArray[np.float64], bits: int, seed: int) -> NDArray[np.float64]:
    """The projection ``(width, bits)``: components, padded by nothing to ``bits``, and the rotation that suits them."""
    padded = np.zeros((components.shape[0], bits))
    padded[:, : components.shape[1]] = components
    rotation, _ = fit_itq(centred @ padded, seed=seed)
    return padded @ rotation


def _uncentred(mapped: Affine, mean: NDArray[np.float64], size: float) -> Affine:
    """The same map for vectors as they come: the mean goes into the offset."""
    matrix = mapped[0].astype(np.float64) / size
    return matrix.astype(np.float32), (mapped[1] - mean @ matrix).astype(np.float32)
