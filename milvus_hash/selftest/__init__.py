"""Does this Milvus do what the package needs: tried on it, in a collection of its own, against brute force."""

from milvus_hash.selftest.run import self_test
from milvus_hash.selftest.step import Step

__all__ = ["Step", "self_test"]
