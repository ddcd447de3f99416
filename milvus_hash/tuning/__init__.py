"""Tuning: how hard an index has to look for a wanted recall, measured with the collection's own rows."""

from milvus_hash.tuning.result import Point, Tuning
from milvus_hash.tuning.tuner import Tunable, tune

__all__ = ["Point", "Tunable", "Tuning", "tune"]
