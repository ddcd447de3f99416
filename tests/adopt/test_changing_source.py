"""A source in several segments that others write to, while its server is killed: a short run of the benchmark."""

from __future__ import annotations

import numpy as np
import pytest
from changing_source import NO_COMPACTION, ChangingSource, adopt_while_it_changes
from float_collection import small_pages
from milvus_server import AVAILABLE, own_server


@pytest.mark.skipif(not AVAILABLE, reason="the milvus wheel is for Linux on x86-64")
def test_the_sidecar_of_a_changing_source_equals_it(vector_bundle, vector_encoder, monkeypatch):
    small_pages(monkeypatch, 30_000)
    rng = np.random.default_rng(0)
    with own_server(settings=NO_COMPACTION) as server:
        source = ChangingSource(server.uri, rng, rows=800, segments=4, text_keys=True)
        last, wrong, _ = adopt_while_it_changes(server, source, vector_bundle, vector_encoder, rng, restarts=1)
        assert not wrong
        assert (last.added, last.changed, last.deleted, last.rejected) == (0, 0, 0, 0)
        assert last.unchanged > 500
        source.drop()
