"""Which Milvus Lite the tests run with, and what is tested with one of them alone."""

from __future__ import annotations

import pytest

from milvus_hash.store import lite

IS_THREE = lite.is_three()

only_lite_2 = pytest.mark.skipif(IS_THREE, reason="about the files and the server process of Milvus Lite 2")
only_lite_3 = pytest.mark.skipif(not IS_THREE, reason="about the folders of Milvus Lite 3")
binary_fields = pytest.mark.skipif(IS_THREE, reason="Milvus Lite 3 has no binary vectors for a client of one's own")
half_precision = pytest.mark.skipif(IS_THREE, reason="Milvus Lite 3 has no vectors of half precision")
remainders = pytest.mark.skipif(IS_THREE, reason="Milvus Lite 3 has no remainder, by which integer keys are sampled")
