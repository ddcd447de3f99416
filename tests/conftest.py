"""Fixtures of the whole test suite: a tiny real bundle, a real Milvus server, collections on every backend."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest
from milvus_server import AVAILABLE, milvus_server
from tiny_model import write_tiny_bundle

from milvus_hash.collection import HashCollection
from milvus_hash.encoder import Encoder
from milvus_hash.media.modalities import RECORDED
from milvus_hash.store.connection import Connection

if "PYTEST_XDIST_WORKER" in os.environ:  # several processes that calculate with all cores each slow each other down
    os.environ.setdefault("OMP_NUM_THREADS", "1")

_numbers = count(1)


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a bundle of random projections: 64 bits, of which the first 32 are listed too."""
    return write_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny", bits=(32, 64)).path


@pytest.fixture(scope="session")
def tiny_encoder(tiny_bundle: Path) -> Encoder:
    return Encoder.load(tiny_bundle, threads=1)


@pytest.fixture(scope="session")
def video_encoder(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    """An encoder of pictures, clips and texts."""
    path = tmp_path_factory.mktemp("bundles") / "video"
    write_tiny_bundle(path, bits=(32, 64), name="tiny-video", modalities=RECORDED)
    return Encoder.load(path, threads=2)


@pytest.fixture(scope="session")
def other_encoder(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    """An encoder of the same shape with another fingerprint."""
    path = tmp_path_factory.mktemp("bundles") / "other"
    return Encoder.load(write_tiny_bundle(path, bits=(32, 64), seed=1, name="other").path, threads=1)


@pytest.fixture(scope="session")
def server_uri() -> Iterator[str]:
    """The uri of a real Milvus server, started for this run and removed after it."""
    if not AVAILABLE:
        pytest.skip("the milvus wheel is for Linux on x86-64")
    with milvus_server() as uri:
        yield uri


@pytest.fixture(scope="session")
def lite_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Milvus Lite file that all tests of a run share, kept open: starting one takes half a second."""
    uri = str(tmp_path_factory.mktemp("lite") / "shared.db")
    connection = Connection(uri)
    assert connection.client is not None
    yield uri
    connection.close()


@dataclass(frozen=True)
class Store:
    """Where a test makes its collections."""

    uri: str
    index: str
    create: Callable[..., HashCollection]
    """``HashCollection.create`` with the uri and index of this store and a fresh name; dropped after the test."""


@pytest.fixture(
    params=[
        pytest.param(("lite_uri", "BIN_FLAT"), id="lite"),
        pytest.param(("server_uri", "BIN_FLAT"), id="server-flat"),
        pytest.param(("server_uri", "BIN_IVF_FLAT"), id="server-ivf"),
    ]
)
def store(request: pytest.FixtureRequest, tiny_encoder: Encoder) -> Iterator[Store]:
    """Milvus Lite, and the server with both index types."""
    fixture, index = request.param
    yield from _store(request.getfixturevalue(fixture), index, tiny_encoder)


@pytest.fixture(params=["lite_uri", "server_uri"], ids=["lite", "server"])
def flat_store(request: pytest.FixtureRequest, tiny_encoder: Encoder) -> Iterator[Store]:
    """Milvus Lite and the server, for tests that no index can matter to."""
    yield from _store(request.getfixturevalue(request.param), "BIN_FLAT", tiny_encoder)


@pytest.fixture
def lite_store(lite_uri: str, tiny_encoder: Encoder) -> Iterator[Store]:
    """Milvus Lite alone, for tests of what happens on this side of Milvus."""
    yield from _store(lite_uri, "BIN_FLAT", tiny_encoder)


@pytest.fixture(scope="module")
def empty_collection(lite_uri: str, tiny_encoder: Encoder) -> Iterator[HashCollection]:
    """A collection that stays empty, for tests of what is refused before Milvus is asked."""
    with HashCollection.create(f"empty_{next(_numbers)}", tiny_encoder, uri=lite_uri) as collection:
        yield collection
        collection.drop()


def _store(uri: str, index: str, encoder: Encoder) -> Iterator[Store]:
    made: list[HashCollection] = []

    def create(name: str = "", **kwargs: object) -> HashCollection:
        options = {"encoder": encoder, "uri": uri, "index": index, "timeout": 60.0, **kwargs}
        made.append(HashCollection.create(name or f"test_{next(_numbers)}", **options))
        return made[-1]

    yield Store(uri, index, create)
    with closing(Connection(uri, timeout=60)) as connection:
        for collection in made:
            connection.call("dropping", "drop_collection", collection.name)  # nothing where a test did
            collection.close()


@pytest.fixture
def lite_file(tmp_path: Path) -> str:
    """A Milvus Lite file of the test's own, not there yet."""
    return str(tmp_path / "own.db")
