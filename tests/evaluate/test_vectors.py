"""Float vectors of the encoder: one run of the graph for code, logits and vectors; older graphs."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from PIL import Image

from milvus_hash.bundle import read_bundle, write_bundle
from milvus_hash.encoder import Encoder
from milvus_hash.errors import InputError


@pytest.fixture(scope="module")
def older(tiny_bundle, tmp_path_factory):
    """The tiny bundle as an earlier release exported it: its graphs give codes and logits only."""
    folder = tmp_path_factory.mktemp("older")
    bundle = read_bundle(tiny_bundle)
    files = {path.name: path for path in bundle.path.iterdir()}
    for modality in bundle.modalities.values():
        model = onnx.load(bundle.path / modality.graph)
        kept = [output for output in model.graph.output if output.name in ("code", "logits")]
        del model.graph.output[:]
        model.graph.output.extend(kept)
        files[modality.graph] = folder / modality.graph
        onnx.save(model, files[modality.graph])
    settings = {"name": "older", "method": "none", "bits": bundle.bits, "licence": "", "trained_on": ""}
    path = write_bundle(folder / "bundle", modalities=bundle.modalities, files=files, **settings).path
    return Encoder.load(path, threads=1)


def test_vectors_keep_order_and_errors_keep_their_place(tiny_encoder):
    items = [("a", "red bus"), ("bad", ""), ("b", "cat")]
    rows = list(tiny_encoder.stream("text", items, vectors=["features"]))
    assert [row.key for row in rows] == ["a", "bad", "b"]
    assert isinstance(rows[1].error, InputError)
    features = [row.vectors["features"] for row in rows if row.error is None]
    assert features[0].dtype == np.float32
    assert features[0].shape == (48,)
    assert not np.array_equal(*features)


def test_vectors_are_what_they_are_called(tiny_encoder):
    """A picture of one colour: its features are that colour on the grid, its embedding their tanh."""
    picture = Image.new("RGB", (32, 32), (255, 0, 0))
    (row,) = tiny_encoder.stream("image", [(0, picture)], vectors=["features", "embedding"])
    np.testing.assert_allclose(row.vectors["features"], np.tile([1.0, -1.0, -1.0], 16), atol=1e-5)
    np.testing.assert_allclose(row.vectors["embedding"], np.tanh(row.vectors["features"]), atol=1e-5)


def test_code_logits_and_vectors_come_together(tiny_encoder):
    texts = ["red", "", "a blue bus", "tree"]
    rows = list(tiny_encoder.stream("text", enumerate(texts), vectors=["features", "embedding"]))
    plain = list(tiny_encoder.stream("text", enumerate(texts)))
    for row, alone in zip(rows, plain, strict=True):
        assert (row.error is None) == (alone.error is None) == bool(texts[row.key])
        if row.error is None:
            np.testing.assert_array_equal(row.code, alone.code)
            assert set(row.vectors) == {"features", "embedding"}
            assert not alone.vectors


def test_which_vectors_there_are(tiny_encoder, older):
    assert tiny_encoder.vector_names("image") == ("embedding", "features")
    assert older.vector_names("image") == ()


def test_older_bundles_encode_and_say_what_they_lack(older, tiny_encoder):
    np.testing.assert_array_equal(older.encode_texts(["red"]), tiny_encoder.encode_texts(["red"]))
    with pytest.raises(InputError, match=r"no output 'features'; it has codes and logits only: export the model again"):
        older.stream("image", [], vectors=["features"])
    with pytest.raises(InputError, match=r"no output 'colour'; it has embedding, features"):
        tiny_encoder.stream("text", [], vectors=["colour"])
