"""From a source to Milvus: read, decode, encode, write; rejects on the side."""

from __future__ import annotations

from milvus_hash.ingest.pipeline import Counts, Seconds, ingest
from milvus_hash.ingest.rejects import RejectsFile

__all__ = ["Counts", "RejectsFile", "Seconds", "ingest"]
