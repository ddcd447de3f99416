"""A cross-modal question to one or more Hamming searches: the code to ask for, the filter, the hits that come back."""

from milvus_hash.query.hits import Hit

__all__ = ["Hit"]
