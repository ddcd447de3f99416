"""Fixtures of the tests of adoption."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from float_collection import WIDTH, FloatCollection, clustered, float_collection

from milvus_hash.adopt.learn import learn, write_vector_bundle
from milvus_hash.encoder import Encoder


@pytest.fixture(params=["lite_uri", "server_uri"], ids=["lite", "server"])
def backend(request: pytest.FixtureRequest) -> str:
    """The uri of Milvus Lite, and that of a server."""
    return str(request.getfixturevalue(request.param))


@pytest.fixture
def floats(backend: str) -> Iterator[FloatCollection]:
    """600 rows with the keys 10, 20... on every backend."""
    with float_collection(backend) as made:
        made.put(range(10, 6010, 10), clustered(600))
        yield made


@pytest.fixture
def lite_floats(lite_uri: str) -> Iterator[FloatCollection]:
    """The same on Milvus Lite alone."""
    with float_collection(lite_uri) as made:
        made.put(range(10, 6010, 10), clustered(600))
        yield made


@pytest.fixture(scope="session")
def vector_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of 64-bit codes for the vectors of :func:`clustered`."""
    path = tmp_path_factory.mktemp("vectors") / "bundle"
    write_vector_bundle(path, learn(clustered(600, seed=5), WIDTH), name="vectors", trained_on="clustered vectors")
    return path


@pytest.fixture(scope="session")
def vector_encoder(vector_bundle: Path) -> Encoder:
    return Encoder.load(vector_bundle, threads=1)
