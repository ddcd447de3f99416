"""What every refusal has to be: in plain words, with a next step, without a trace of it anywhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import count

import numpy as np
import pytest
from plain_words import check_words

from milvus_hash.collection import HashCollection
from milvus_hash.encoder import Encoder
from milvus_hash.record import Record

PIXELS = np.random.default_rng(0).integers(0, 256, (30, 20, 3), dtype=np.uint8)

Refused = Callable[..., AbstractContextManager[None]]

_numbers = count(1)


@pytest.fixture
def refused(caplog: pytest.LogCaptureFixture) -> Refused:
    """A block that has to raise ``kind`` with the pieces of a message, and to log nothing."""

    @contextmanager
    def expect(kind: type[Exception], *pieces: str) -> Iterator[None]:
        with pytest.raises(kind) as raised:
            yield
        said = str(raised.value)
        for piece in pieces:
            assert piece in said
        check_words(said)
        assert not caplog.records

    return expect


@pytest.fixture(scope="module")
def collection(video_encoder: Encoder, lite_uri: str) -> Iterator[HashCollection]:
    """Three items with a text and a picture each."""
    fields = {"year": int, "name": str, "price": float, "ok": bool}
    with HashCollection.create(f"mistakes_{next(_numbers)}", video_encoder, uri=lite_uri, fields=fields) as collection:
        about = {"brand": "nike", "tags": ["a", "b"], "size": {"eu": 42}}
        collection.add(
            Record(str(n), image=PIXELS, texts="a red flower", metadata={**about, "year": 2000 + n}) for n in range(3)
        )
        yield collection
        assert collection.count() == 6, "a mistake left something behind"
        collection.drop()
