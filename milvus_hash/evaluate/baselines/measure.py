"""Baselines on the items of an evaluation: fitted to training features, or made of a bundle's own float vectors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from milvus_hash.codes import pack
from milvus_hash.errors import InputError
from milvus_hash.evaluate.dataset import EncodedSet, EvaluationSet
from milvus_hash.evaluate.directions import by_cosine, directions
from milvus_hash.evaluate.figures import Pairs, Task, pair_figures, task_figures
from milvus_hash.evaluate.floats import Score, score
from milvus_hash.projections.cca import fit_cca
from milvus_hash.projections.hyperplanes import hyperplanes
from milvus_hash.projections.itq import fit_itq

_MOST_PAIRS = 20_000  # to fit to: covariances and rotations of a few hundred numbers settle long before
# Components are weighted by a power of their correlation (Gong, Ke, Isard and Lazebnik, IJCV 2014). With the ridge of
# fit_cca, 2 gave CCA-ITQ the best mAP on held-out training pairs of clipart, 0.16 more than none at 64 bits.
_POWER = 2

Projection = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Baseline:
    """Figures of one baseline, of the same kinds as in a bundle's report."""

    name: str
    tasks: tuple[Task, ...]
    pairs: tuple[Pairs, ...]
    floats: tuple[Score, ...] = ()


def fitted_baselines(
    data: EvaluationSet, encoded: Mapping[str, EncodedSet], lengths: Sequence[int], ks: Sequence[int]
) -> Iterator[Baseline]:
    """CCA, CCA-ITQ and random hyperplanes in CCA's space, fitted to the ``features`` of the train split.

    Args:
        data: The splits.
        encoded: ``text`` and ``image`` or ``video``, with ``features``; at least one row each.
        lengths: Code lengths; those that CCA has too few components for are left out of ``cca`` and ``cca-itq``.
        ks: Cut-offs.

    Raises:
        InputError: No texts, nothing that is paired with them, fewer than two training pairs, or features that are all
            the same.
    """
    visual = next((modality for modality in encoded if modality != "text"), None)
    if visual is None or "text" not in encoded:
        have = ", ".join(encoded) or "nothing"
        raise InputError(f"baselines need pictures or clips, and texts; what could be encoded: {have}")
    x, y = training_pairs(encoded[visual].of(data.train), encoded["text"].of(data.train))
    cca = fit_cca(x, y)
    weights = cca.correlations**_POWER
    maps = {visual: cca.x, "text": cca.y}
    space = {
        modality: replace(rows, vectors={"cca": maps[modality](rows.vectors["features"]) * weights.astype(np.float32)})
        for modality, rows in encoded.items()
        if modality in maps
    }
    seen = np.concatenate([cca.x(x), cca.y(y)]) * weights
    components = len(weights)
    possible = [bits for bits in lengths if bits <= components]
    ways = directions(data, space)
    ceiling = tuple(score("cca float", way, components, by_cosine("cca"), ks) for way in ways)
    signs = {bits: np.eye(components, bits) for bits in possible}
    yield replace(_measure("cca", data, space, signs, ks), floats=ceiling)
    yield _measure("cca-itq", data, space, {bits: fit_itq(seen[:, :bits])[0] for bits in possible}, ks)
    yield _measure("hyperplanes", data, space, {bits: hyperplanes(components, bits) for bits in lengths}, ks)


def own_baselines(
    data: EvaluationSet,
    encoded: Mapping[str, EncodedSet],
    floats: Sequence[Score],
    lengths: Sequence[int],
    ks: Sequence[int],
) -> Iterator[Baseline]:
    """Signs, and random hyperplanes, of a bundle's own float vectors: what its hash layer has to be better than.

    ``floats`` says which of its vectors rank better; those are taken.
    """
    name = own_vectors(floats)
    space = {modality: _centred(rows, name, data.searched) for modality, rows in encoded.items()}
    width = next(iter(space.values())).vectors[name].shape[1]
    signs = {bits: np.eye(width, bits) for bits in lengths if bits <= width}
    yield _measure("sign", data, space, signs, ks)
    yield _measure("own hyperplanes", data, space, {bits: hyperplanes(width, bits) for bits in lengths}, ks)


def own_vectors(floats: Iterable[Score]) -> str:
    """``logits`` or ``embedding``: which ranks better, over all tasks and both kinds of figures."""
    totals = {"logits": 0.0, "embedding": 0.0}
    for entry in floats:
        if entry.by in totals:
            totals[entry.by] += float(np.nansum([entry.map, *entry.hit.values()]))
    return max(totals, key=lambda name: totals[name])


def training_pairs(
    visual: EncodedSet, text: EncodedSet, *, most: int = _MOST_PAIRS
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The features of every text and of the picture or clip of the same record, float32 ``(n, d)`` each.

    Of more than ``most`` pairs that many are drawn, always the same.
    """
    row_of = {item: row for row, item in enumerate(visual.items.tolist())}
    rows = [(row_of[item], row) for row, item in enumerate(text.items.tolist()) if item in row_of]
    pairs = np.array(rows, dtype=np.int64).reshape(-1, 2)
    if len(pairs) > most:
        pairs = pairs[np.sort(np.random.default_rng(0).choice(len(pairs), most, replace=False))]
    return visual.vectors["features"][pairs[:, 0]], text.vectors["features"][pairs[:, 1]]


def _centred(rows: EncodedSet, name: str, searched: NDArray[np.bool_]) -> EncodedSet:
    vectors = rows.vectors[name]
    among = searched[rows.items]
    return replace(rows, vectors={name: vectors - vectors[among].mean(axis=0)}) if among.any() else rows


def _measure(
    name: str,
    data: EvaluationSet,
    space: Mapping[str, EncodedSet],
    projections: Mapping[int, Projection],
    ks: Sequence[int],
) -> Baseline:
    """Codes are the signs of ``vectors[:, :k] @ projection`` for a projection ``(k, bits)`` of each length."""
    tasks: list[Task] = []
    pairs: list[Pairs] = []
    for bits, projection in projections.items():
        codes = {
            modality: replace(rows, codes=pack(vectors[:, : len(projection)] @ projection), vectors={})
            for modality, rows in space.items()
            for vectors in rows.vectors.values()
        }
        ways = directions(data, codes)
        tasks += task_figures(ways, bits, ks)
        pairs += pair_figures(ways, bits, ks)
    return Baseline(name, tuple(tasks), tuple(pairs))
