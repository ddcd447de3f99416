"""Graphs: torch's bits in onnxruntime at every batch size, for every kind of network, in float and in small."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from tiny_streams import KINDS, Kind, batch, finish
from torch import nn

from milvus_hash import codes
from milvus_hash.bundle import ImageInput, TextInput
from milvus_hash.errors import InputError
from milvus_hash_export.networks.stream import Stream
from milvus_hash_export.onnx import OPSET, OUTPUTS, PackedCode, example_inputs, export_graph
from milvus_hash_export.quantize import quantize_graph

FLOAT, FLOAT16 = onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16
INT8, UINT8 = onnx.TensorProto.INT8, onnx.TensorProto.UINT8


@dataclass(frozen=True)
class Exported:
    name: str
    kind: Kind
    stream: Stream
    path: Path

    def batch(self, n):
        return batch(self.kind.target, n)

    def calibration(self):
        return None if isinstance(self.kind.target, TextInput) else (self.batch(n) for n in range(8, 14))


@pytest.fixture(scope="module", params=KINDS)
def graph(request, tmp_path_factory):
    torch.manual_seed(0)
    kind = KINDS[request.param]
    path = tmp_path_factory.mktemp("graph") / f"{request.param}.onnx"
    stream = kind.stream()
    export_graph(stream, example_inputs(kind.target), path)
    return Exported(request.param, kind, stream, path)


@pytest.fixture(scope="module", params=["fp16", "int8"])
def small(request, graph):
    path = graph.path.parent / f"{request.param}.onnx"
    quantize_graph(graph.path, path, request.param, graph.calibration())
    return request.param, path


def run(path, inputs):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return dict(zip(OUTPUTS, session.run(list(OUTPUTS), inputs), strict=True))


def weights(path):
    return [tensor for tensor in onnx.load(path).graph.initializer if np.prod(tensor.dims) >= 1024]


@pytest.mark.parametrize("n", [1, 2, 5])
def test_onnxruntime_gives_torchs_bits(graph, n):
    served = run(graph.path, graph.batch(n))
    inputs = [torch.from_numpy(value) for value in graph.batch(n).values()]
    with torch.inference_mode():
        features = graph.stream.features(*inputs)
        expected = {
            "logits": graph.stream(*inputs),
            "embedding": graph.stream.embed(*features),
            "features": graph.stream.pooled(*features),
        }
    for name, values in expected.items():
        assert served[name].dtype == np.float32
        assert np.allclose(served[name], values.numpy(), atol=2e-5), name
    logits = expected["logits"].numpy()
    assert served["code"].dtype == np.uint8
    assert np.array_equal(served["code"], codes.pack(served["logits"]))
    clear = abs(logits) > 1e-4
    assert np.array_equal(codes.unpack(served["code"])[clear], logits[clear] > 0)


def test_the_codes_depend_on_the_inputs(graph):
    assert len(np.unique(run(graph.path, graph.batch(64))["code"], axis=0)) > 12


def test_graph_is_one_file_of_the_stated_opset_with_a_free_batch_axis(graph):
    model = onnx.load(graph.path, load_external_data=False)
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", OPSET)]
    assert [value.name for value in model.graph.input] == list(graph.batch(1))
    assert [value.name for value in model.graph.output] == list(OUTPUTS)
    for value in [*model.graph.input, *model.graph.output]:
        assert value.type.tensor_type.shape.dim[0].dim_param
    assert not any(tensor.external_data for tensor in model.graph.initializer)


def test_weights_are_not_moved_about_at_every_run(graph):
    operators = Counter(node.op_type for node in onnx.load(graph.path).graph.node)
    assert operators["LSTM"] == (graph.name == "regions")
    assert operators["RoiAlign"] == (graph.name == "regions")
    moved = {tensor.name for tensor in weights(graph.path)}
    movers = {node.op_type for node in onnx.load(graph.path).graph.node if moved & set(node.input)}
    assert movers <= {"Conv", "Gemm", "MatMul", "LSTM", "Gather"}


class FixedBatch(nn.Module):
    """Works for two inputs at a time only."""

    def forward(self, image):
        return image.float().reshape(2, -1)[:, :48]


def test_a_network_that_fixes_the_batch_size_is_refused(tmp_path):
    head = nn.Linear(48, 8)
    stream = Stream(FixedBatch(), nn.Identity(), head, pooled=nn.Identity(), signature="").eval()
    with pytest.raises(InputError, match=r"fixed\.onnx: the batch axis of code is not free"):
        export_graph(stream, example_inputs(ImageInput(size=32)), tmp_path / "fixed.onnx")
    assert not (tmp_path / "fixed.onnx").exists()


def test_small_graphs_are_smaller_and_keep_most_bits(graph, small):
    precision, path = small
    sizes = {p: sum(len(tensor.raw_data) for tensor in weights(p)) for p in (graph.path, path)}
    assert sizes[path] < {"fp16": 0.51, "int8": 0.42}[precision] * sizes[graph.path]
    expected, served = (codes.unpack(run(p, graph.batch(200))["code"]) for p in (graph.path, path))
    assert np.mean(expected == served) > {"fp16": 0.998, "int8": 0.95}[precision]
    assert len(run(path, graph.batch(1))["code"]) == 1


def test_what_is_int8_and_what_is_not(graph, small):
    precision, path = small
    stored = {tensor.name: tensor.data_type for tensor in weights(path)}
    head = [name for name in stored if ".head." in name]
    assert head
    assert {stored.pop(name) for name in head} == {FLOAT16}
    assert set(stored.values()) <= (
        {FLOAT16} if precision == "fp16" else {INT8, UINT8}
    )  # factors of products: unsigned
    operators = Counter(node.op_type for node in onnx.load(path).graph.node)
    static = precision == "int8" and graph.name in {"pictures", "regions", "frames", "clips"}
    assert (operators["QuantizeLinear"] > 0) == static
    assert (operators["MatMulInteger"] > 0) == (precision == "int8" and graph.name == "sentences")


def test_a_graph_without_large_weights_is_refused(tmp_path):
    stream = finish(nn.Sequential(MeanColour()), nn.Identity(), 3, nn.Identity(), ImageInput(size=32))
    stream.head = nn.Linear(3, 8).eval()
    export_graph(stream, example_inputs(ImageInput(size=32)), tmp_path / "light.onnx")
    for precision in ("int8", "fp16"):
        with pytest.raises(InputError, match=r"light\.onnx has no weights"):
            quantize_graph(tmp_path / "light.onnx", tmp_path / "small.onnx", precision)
    with pytest.raises(InputError, match="'int4' is unknown"):
        quantize_graph(tmp_path / "light.onnx", tmp_path / "small.onnx", "int4")


class MeanColour(nn.Module):
    """The mean colour."""

    def forward(self, image):
        return image.float().mean((1, 2)) / 255


def test_what_cannot_be_quantised_is_named(tmp_path):
    kind = KINDS["pictures"]
    export_graph(kind.stream(), example_inputs(kind.target), tmp_path / "pictures.onnx")
    with pytest.raises(InputError, match=r"pictures\.onnx cannot be quantised to int8 .*fp16"):
        quantize_graph(tmp_path / "pictures.onnx", tmp_path / "small.onnx", "int8", calibration=[])
    assert not (tmp_path / "small.onnx").exists()


def test_packing_treats_zero_as_zero_bit():
    logits = torch.tensor([[0.0, 1, -1, 0, 2, 0, 0, -0.5] * 2])
    code = PackedCode(Stream(None, nn.Identity(), nn.Identity(), pooled=nn.Identity(), signature=""))(logits)[0]
    assert code.tolist() == codes.pack(logits.numpy()).tolist() == [[0b01001000] * 2]
