"""Graphs that are not what they have to be are refused by every way in, and never become codes."""

import numpy as np
import pytest
from onnx import TensorProto, helper
from vector_graphs import BITS, WIDTH, changed, honest, write_vectors

from milvus_hash import HashEmbeddingFunction
from milvus_hash.codes import pack
from milvus_hash.encoder import Encoder
from milvus_hash.errors import BundleError

node = helper.make_node
VECTORS = np.random.default_rng(1).standard_normal((5, WIDTH)).astype(np.float32)


def _constant(name, value):
    return lambda parts: parts.constants.__setitem__(name, value)


def _projection(column, value):
    def change(parts):
        parts.constants["projection"][:, column] = value

    return change


def _output(name, kind, shape=None):
    """Declare and give ``name`` in another type or shape."""

    def change(parts):
        parts.nodes.append(node("Cast", [f"{name}_before"], [name], to=kind))
        for before in parts.nodes[:-1]:
            for ends in (before.input, before.output):
                ends[:] = [f"{name}_before" if end == name else end for end in ends]
        parts.outputs[name] = (kind, shape)

    return change


def _rows(operator, *inputs, **attributes):
    """Give another number of rows than came in."""

    def change(parts):
        parts.constants |= {"first": np.array([0]), "one": np.array([1]), "twice": np.array([2, 1])}
        parts.nodes.insert(0, node(operator, ["vector", *inputs], ["other"], **attributes))
        parts.nodes[1].input[0] = "other"

    return change


def _shape(name, *sizes):
    """Give ``name`` in another shape."""

    def change(parts):
        _output(name, parts.outputs[name][0])(parts)
        parts.constants["shape"] = np.array(sizes)
        parts.nodes[-1] = node("Reshape", [f"{name}_before", "shape"], [name])

    return change


def _other_code(parts):
    parts.constants["other"] = np.random.default_rng(2).standard_normal((WIDTH, BITS)).astype(np.float32)
    parts.nodes.insert(0, node("MatMul", ["vector", "other"], ["other_logits"]))
    parts.nodes[2].input[0] = "other_logits"


def _one_wrong_bit_of_the_last_row(parts):
    parts.nodes += [
        node("Shape", ["vector"], ["last"], end=1),
        node("Sub", ["last", "one"], ["place"]),
        node("Unsqueeze", ["place", "first"], ["places"]),
        node("ScatterND", ["bytes", "places", "wrong"], ["wrong_bytes"]),
        node("Cast", ["wrong_bytes"], ["code"], to=TensorProto.UINT8),
    ]
    parts.nodes.pop(4)
    parts.constants |= {"one": np.array([1]), "first": np.array([0]), "wrong": np.full((1, BITS // 8), 5, np.float32)}


def _vector_output(name, width, kind=TensorProto.FLOAT):
    def change(parts):
        parts.constants["more"] = np.ones((WIDTH, width), np.float32)
        parts.nodes += [node("MatMul", ["vector", "more"], ["sums"]), node("Cast", ["sums"], [name], to=kind)]
        parts.outputs[name] = (kind, None)

    return change


def _without(name):
    return lambda parts: parts.outputs.pop(name)


def _extra(parts):
    parts.outputs["signs"] = (TensorProto.BOOL, None)


def _string(parts):
    parts.replace("code", node("Cast", ["bytes"], ["code"], to=TensorProto.STRING))
    parts.outputs["code"] = (TensorProto.STRING, None)


def _sequence(parts):
    parts.nodes.append(node("SequenceConstruct", ["bytes"], ["embedding"]))
    parts.outputs["embedding"] = (TensorProto.FLOAT, None)


def _unknown_operator(parts):
    parts.nodes[1] = node("Exploit", ["logits", "zero"], ["signs"], domain="evil")


def _huge(parts):
    parts.constants["huge"] = np.array([1 << 44])
    parts.nodes += [node("ConstantOfShape", ["huge"], ["zeros"]), node("ReduceSum", ["zeros"], ["sum"], keepdims=0)]
    parts.nodes[0].output[0] = "before"
    parts.nodes.insert(0, parts.nodes.pop())
    parts.nodes.insert(0, parts.nodes.pop())
    parts.nodes.insert(3, node("Add", ["before", "sum"], ["logits"]))


def _wrong_shapes_inside(parts):
    parts.constants["shape"] = np.array([7, 7])
    parts.nodes.insert(0, node("Reshape", ["vector", "shape"], ["square"]))
    parts.nodes[1].input[0] = "square"


def _division_by_zero(parts):
    parts.nodes[0].output[0] = "before"
    parts.nodes.insert(1, node("Div", ["before", "zero"], ["logits"]))


LIES = {
    "code-too-short": (changed(lambda parts: None, 8), "code is tensor"),
    "code-too-long": (changed(lambda parts: None, 128), "code is tensor"),
    "code-int64": (changed(_output("code", TensorProto.INT64)), "code is tensor"),
    "code-float": (changed(_output("code", TensorProto.FLOAT)), "code is tensor"),
    "code-int8": (changed(_output("code", TensorProto.INT8)), "code is tensor"),
    "code-bool": (changed(_output("code", TensorProto.BOOL)), "code is tensor"),
    "code-string": (changed(_string), "code is tensor"),
    "logits-float16": (changed(_output("logits", TensorProto.FLOAT16)), "logits is tensor"),
    "logits-double": (changed(_output("logits", TensorProto.DOUBLE)), "logits is tensor"),
    "logits-of-three-axes": (changed(_shape("logits", -1, 8, 8)), "logits is tensor"),
    "code-of-one-axis": (changed(_shape("code", -1)), "code is tensor"),
    "other-code": (changed(_other_code), "not the signs"),
    "one-wrong-row": (changed(_one_wrong_bit_of_the_last_row), "not the signs"),
    "nan": (changed(_projection(5, np.nan)), "not finite"),
    "infinite": (changed(_projection(5, np.inf)), "not finite"),
    "division": (changed(_division_by_zero), "not finite"),
    "one-row-for-all": (changed(_rows("Slice", "first", "one")), r"for \d inputs"),
    "two-rows-each": (changed(_rows("Tile", "twice")), r"for \d inputs"),
    "mean-of-all": (changed(_rows("ReduceMean", "first", keepdims=1)), r"for \d inputs"),
    "no-logits": (changed(_without("logits")), "are needed"),
    "no-code": (changed(_without("code")), "are needed"),
    "one-more": (changed(_extra), "are needed"),
    "weights-too-short": (changed(_vector_output("weights", 8)), "weights is tensor"),
    "embedding-double": (changed(_vector_output("embedding", 8, TensorProto.DOUBLE)), "embedding is tensor"),
    "embedding-sequence": (changed(_sequence), "onnxruntime"),
    "unknown-operator": (changed(_unknown_operator), "cannot be opened"),
    "huge": (changed(_huge), "onnxruntime"),
    "shapes": (changed(_wrong_shapes_inside), "onnxruntime"),
}  # fmt: skip

WAYS = {
    "encode_vectors": lambda encoder: encoder.encode_vectors(VECTORS),
    "encode": lambda encoder: encoder.encode("vector", list(VECTORS)),
    "stream": lambda encoder: list(encoder.stream("vector", enumerate(VECTORS))),
    "query": lambda encoder: [encoder.query(vector=vector) for vector in VECTORS],
}


def test_the_honest_graph_passes(tmp_path):
    encoder = Encoder.load(write_vectors(tmp_path / "b", honest()).path)
    logits = VECTORS @ honest().constants["projection"]
    assert np.array_equal(encoder.encode_vectors(VECTORS), pack(logits))
    for way in WAYS.values():
        way(encoder)


@pytest.mark.parametrize("lie", LIES)
def test_lies_are_refused_by_every_way_in(tmp_path, lie, capfd):
    graph, reason = LIES[lie]
    bundle = write_vectors(tmp_path / "b", graph)
    for name, way in WAYS.items():
        if name == "query" and lie in ("one-row-for-all", "mean-of-all", "one-wrong-row"):
            continue  # true of one row
        with pytest.raises(BundleError, match=reason):
            way(Encoder.load(bundle.path, threads=1))
    assert capfd.readouterr() == ("", "")


def test_vectors_of_a_graph_are_checked_where_they_are_asked_for(tmp_path):
    def change(parts):
        _vector_output("features", 8)(parts)
        parts.constants["more"][3] = np.nan

    encoder = Encoder.load(write_vectors(tmp_path / "b", changed(change)).path)
    assert encoder.encode_vectors(VECTORS).shape == (5, 8)
    with pytest.raises(BundleError, match="features that are not finite"):
        list(encoder.stream("vector", enumerate(VECTORS), vectors=["features"]))


def test_a_vector_too_large_to_calculate_with_costs_its_own_place_only(tmp_path):
    encoder = Encoder.load(write_vectors(tmp_path / "b", honest()).path)
    vectors = VECTORS.copy()
    vectors[2, 3] = 1e30
    rows = list(encoder.stream("vector", enumerate(vectors)))
    assert [row.key for row in rows if row.error is not None] == [2]
    assert "1e+15" in str(rows[2].error)


def test_embedding_functions_refuse_too(tiny_bundle, tmp_path):
    """The bundle says 16 pixels where its graph takes 32."""
    from dataclasses import replace

    from PIL import Image

    from milvus_hash.bundle import ImageInput, read_bundle, write_bundle

    bundle = read_bundle(tiny_bundle)
    image = replace(bundle.modalities["image"], input=ImageInput(16))
    write_bundle(
        tmp_path / "b", name="x", method="", bits=bundle.bits, modalities={"image": image},
        files={"image.onnx": tiny_bundle / "image.onnx"}, licence="", trained_on="",
    )  # fmt: skip
    function = HashEmbeddingFunction(Encoder.load(tmp_path / "b"))
    with pytest.raises(BundleError, match=r"image is tensor\(uint8\) .*16, 16, 3\) is needed"):
        function.encode_images([Image.new("RGB", (9, 9))])
