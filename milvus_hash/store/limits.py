"""How much goes to Milvus, or comes from it, in one call; the one place that knows.

A message has 64 MiB at most, on the way there and back. Of texts the characters are counted, of which UTF-8 needs at
most four bytes each. Milvus' own bound on the rows of an answer is :data:`milvus_hash.query.scope.MAX_LIMIT`.
"""

from __future__ import annotations

BYTES = 16_000_000
LITE_BYTES = 1_000_000  # of an answer of Milvus Lite, where all is one process: little is quickest
FIRST_BYTES = 1_000_000  # of the first page of a walk, which a server may answer with its limit from every segment
FIRST_ROWS = 256  # of that page, where the size of some field is unknown
FILTER_BYTES = 4_000_000

ROW_BYTES = 64  # key, names and lengths of a row
ROWS_WRITTEN = 10_000
ROWS_FOUND = 100_000  # by all questions of one search together
KEYS_READ = 8192
KEYS_DELETED = 10_000
ITEMS = 16  # in one filter: Milvus Lite cannot parse a chain of some 50 ors


def writes_together(*, lite: bool) -> int:
    """Calls that may be under way at the same time: pymilvus packs one while a server stores the other."""
    return 1 if lite else 2
