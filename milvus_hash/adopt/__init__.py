"""Codes for a float collection that is there already: a sidecar with the same keys, a 32nd of the size or less.

:func:`trial` says what that would give and writes nothing; :func:`adopt` learns the codes, or takes a bundle, and
fills the sidecar; :func:`sync` keeps it up to date; :class:`AdoptedCollection` searches both. The source is only read.
"""

from milvus_hash.adopt.merge import Changes
from milvus_hash.adopt.report import Report, measure, trial
from milvus_hash.adopt.run import adopt, sync
from milvus_hash.adopt.search import AdoptedCollection, AdoptedHit

__all__ = ["AdoptedCollection", "AdoptedHit", "Changes", "Report", "adopt", "measure", "sync", "trial"]
