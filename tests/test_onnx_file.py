"""Graphs that read other files, or may run for ever, are refused before onnxruntime sees them."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from vector_graphs import WIDTH, changed, honest, write_vectors

from milvus_hash.bundle import starter_path
from milvus_hash.encoder import Encoder
from milvus_hash.errors import BundleError
from milvus_hash.onnx_file import check_onnx

node = helper.make_node
ONE = np.ones((1, WIDTH), np.float32)


def _body(*nodes):
    """A loop's body that doubles ``x`` and goes on."""
    value = helper.make_tensor_value_info
    return helper.make_graph(
        [node("Identity", ["again"], ["on"]), node("Add", ["x", "x"], ["y"]), *nodes],
        "body",
        [value("i", TensorProto.INT64, []), value("again", TensorProto.BOOL, []), value("x", TensorProto.FLOAT, None)],
        [value("on", TensorProto.BOOL, []), value("y", TensorProto.FLOAT, None)],
    )


def _branch(*nodes, output="branched"):
    return helper.make_graph(
        list(nodes), "branch", [], [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)]
    )


def _first(*nodes, output, **constants):
    """Put ``nodes`` before the projection, which then takes ``output``."""

    def change(parts):
        parts.nodes = [*nodes, *parts.nodes]
        parts.nodes[len(nodes)].input[0] = output
        parts.constants |= {"true": np.array(True), "many": np.array(1 << 40)} | constants

    return changed(change)


def _scan():
    value = helper.make_tensor_value_info
    body = helper.make_graph(
        [node("Add", ["x", "row"], ["y"]), node("Identity", ["row"], ["out"])],
        "body",
        [value("x", TensorProto.FLOAT, [WIDTH]), value("row", TensorProto.FLOAT, [WIDTH])],
        [value("y", TensorProto.FLOAT, [WIDTH]), value("out", TensorProto.FLOAT, [WIDTH])],
    )
    scan = node("Scan", ["start", "vector"], ["sum", "looped"], body=body, num_scan_inputs=1)
    return _first(scan, output="looped", start=np.zeros(WIDTH, np.float32))


def _branches(*inner):
    """An ``If`` whose branch holds ``inner`` and gives the vector."""
    return _first(
        node(
            "If",
            ["true"],
            ["branched"],
            then_branch=_branch(*inner, node("Identity", ["vector"], ["branched"])),
            else_branch=_branch(node("Neg", ["vector"], ["branched"])),
        ),
        output="branched",
    )


def _functions():
    """Each function calls the one before it twice: 2 ** 40 operators once they are written out."""

    def change(parts):
        domain, imports = "own", [helper.make_opsetid("", 18), helper.make_opsetid("own", 1)]
        parts.functions.append(helper.make_function(domain, "f0", ["a"], ["b"], [node("Neg", ["a"], ["b"])], imports))
        for number in range(1, 41):
            calls = [node(f"f{number - 1}", [a], [b], domain=domain) for a, b in (("a", "m"), ("m", "b"))]
            parts.functions.append(helper.make_function(domain, f"f{number}", ["a"], ["b"], calls, imports))
        parts.nodes.insert(0, node("f40", ["vector"], ["called"], domain=domain))
        parts.nodes[1].input[0] = "called"

    return changed(change)


ENDLESS = {
    "loop": _first(node("Loop", ["", "true", "vector"], ["looped"], body=_body()), output="looped"),
    "loop-with-a-count": _first(node("Loop", ["many", "", "vector"], ["looped"], body=_body()), output="looped"),
    "loop-over-constants": _first(
        node("Loop", ["many", "", "start"], ["looped"], body=_body()),
        node("Add", ["looped", "vector"], ["sum"]),
        output="sum",
        start=np.zeros((1, WIDTH), np.float32),
    ),
    "loop-in-a-branch": _branches(node("Loop", ["", "true", "vector"], ["looped"], body=_body())),
    "scan": _scan(),
}


@pytest.mark.parametrize("kind", ENDLESS)
def test_loops_are_refused(tmp_path, kind):
    with pytest.raises(BundleError, match=r"'(Loop|Scan)', which may run for ever"):
        Encoder.load(write_vectors(tmp_path / "b", ENDLESS[kind]).path).encode_vectors(ONE)


def test_functions_are_refused(tmp_path):
    with pytest.raises(BundleError, match="has local functions; inline them"):
        Encoder.load(write_vectors(tmp_path / "b", _functions()).path).encode_vectors(ONE)


def test_branches_are_run(tmp_path):
    expected = Encoder.load(write_vectors(tmp_path / "a", honest()).path).encode_vectors(ONE)
    found = Encoder.load(write_vectors(tmp_path / "b", _branches(node("Neg", ["vector"], ["unused"]))).path)
    assert np.array_equal(found.encode_vectors(ONE), expected)


def _weights_in(file, where, tmp_path, monkeypatch):
    """A graph whose projection is in another file, which is where onnxruntime would find it."""
    monkeypatch.chdir(tmp_path)
    values = honest().constants["projection"]
    (tmp_path / "weights.bin").write_bytes(values.tobytes())
    tensor = onnx.TensorProto(name="projection", dims=values.shape, data_type=TensorProto.FLOAT)
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=file)
    model = honest().model()
    kept = [weight for weight in model.graph.initializer if weight.name != "projection"]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    if where == "initializer":
        model.graph.initializer.append(tensor)
    elif where == "constant":
        constant = node("Constant", [], ["projection"])
        constant.attribute.add(name="value", type=onnx.AttributeProto.TENSOR).t.CopyFrom(tensor)
        model.graph.node.insert(0, constant)
    else:
        branches = [_branch(node("Constant", [], ["projection"]), output="projection") for _ in range(2)]
        for branch in branches:
            branch.node[0].attribute.add(name="value", type=onnx.AttributeProto.TENSOR).t.CopyFrom(tensor)
        model.graph.initializer.append(numpy_helper.from_array(np.array(True), "true"))
        branching = node("If", ["true"], ["projection"], then_branch=branches[0], else_branch=branches[1])
        model.graph.node.insert(0, branching)
    return model.SerializeToString()


@pytest.mark.parametrize("where", ["initializer", "constant", "branch"])
@pytest.mark.parametrize("file", ["weights.bin", "/etc/passwd", "../weights.bin"])
def test_tensors_in_other_files_are_refused(tmp_path, monkeypatch, where, file):
    data = _weights_in(file, where, tmp_path, monkeypatch)
    with pytest.raises(BundleError, match="keeps tensors in other files"):
        Encoder.load(write_vectors(tmp_path / "b", data).path).encode_vectors(ONE)


def test_onnxruntimes_own_format_is_refused(tmp_path):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.optimized_model_filepath = str(tmp_path / "graph.ort")
    options.add_session_config_entry("session.save_model_format", "ORT")
    onnxruntime.InferenceSession(honest().model().SerializeToString(), options, providers=["CPUExecutionProvider"])
    data = (tmp_path / "graph.ort").read_bytes()
    with pytest.raises(BundleError):
        Encoder.load(write_vectors(tmp_path / "b", data).path).encode_vectors(ONE)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\x3a\xff\xff\xff\xff\x0f", id="longer-than-the-file"),
        pytest.param(b"\x3a" + b"\xff" * 20, id="endless-number"),
        pytest.param(b"\x3a", id="no-length"),
        pytest.param(b"\x3b\x3c", id="group"),
        pytest.param(b"\x00\x00", id="field-zero"),
        pytest.param(b"\xba\x80\x80\x80\x80\x01\x00", id="large-number-of-a-field"),
    ],
)
def test_broken_files_are_refused(data):
    with pytest.raises(BundleError, match="g is not an ONNX graph"):
        check_onnx(data, "g")


def _field(tag, content):
    """A field of protobuf: its tag, the length seven bits a byte, the content."""
    size, left = bytearray(), len(content)
    while left > 127:
        size.append(left & 127 | 128)
        left >>= 7
    return bytes([tag, *size, left]) + content


def test_graphs_within_graphs_have_an_end():
    graph = b""
    for _ in range(5000):  # a node with an attribute that is the graph before it
        graph = _field(0x0A, _field(0x2A, _field(0x32, graph)))
    with pytest.raises(BundleError, match="nested too deep"):
        check_onnx(_field(0x3A, graph), "g")


def test_exported_graphs_pass():
    for graph in starter_path().glob("*.onnx"):
        check_onnx(graph.read_bytes(), graph.name)
