"""Losses, one a file, each tested against a slow loop.

Every similarity loss takes relaxed codes ``u (n, bits)`` and ``v (m, bits)`` and a 0/1 matrix ``similar (n, m)``,
so that a method can take any of them by name.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from milvus_hash_export.losses.contrastive import contrastive
from milvus_hash_export.losses.cosine_hinge import cosine_hinge
from milvus_hash_export.losses.decorrelation import decorrelation
from milvus_hash_export.losses.exponential_focal import exponential_focal
from milvus_hash_export.losses.likelihood import likelihood
from milvus_hash_export.losses.own_pair import own_pair
from milvus_hash_export.losses.regularisers import bit_balance, quantisation
from milvus_hash_export.losses.triplet import triplet

SIMILARITY_LOSSES: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "contrastive": contrastive,
    "cosine_hinge": cosine_hinge,
    "exponential_focal": exponential_focal,
    "likelihood": likelihood,
    "triplet": triplet,
}

__all__ = [
    "SIMILARITY_LOSSES",
    "bit_balance",
    "contrastive",
    "cosine_hinge",
    "decorrelation",
    "exponential_focal",
    "likelihood",
    "own_pair",
    "quantisation",
    "triplet",
]
