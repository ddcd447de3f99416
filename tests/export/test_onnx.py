"""Graphs: torch's bits in onnxruntime, at every batch size, in float and in int8."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from milvus_hash import codes
from milvus_hash.bundle import ImageInput, TextInput
from milvus_hash_export.onnx import PackedCode, example_inputs, export_graph
from milvus_hash_export.quantize import quantize_image, quantize_text


class SmallImageNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Sequential(nn.Conv2d(3, 16, 3, 2), nn.ReLU6(), nn.Conv2d(16, 32, 3, 2), nn.ReLU6())
        self.hash = nn.Linear(32, 24)

    def forward(self, image):
        x = (image.permute(0, 3, 1, 2).float() - 127) / 128
        return self.hash(self.conv(x).mean((2, 3)))


class SmallTextNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(200, 32)
        self.conv = nn.Conv1d(32, 48, 3, padding=1)
        self.hash = nn.Linear(48, 24)

    def forward(self, input_ids, attention_mask):
        x = self.table(input_ids) * attention_mask.unsqueeze(-1)
        return self.hash(torch.relu(self.conv(x.transpose(1, 2))).amax(2))


def image_batch(n):
    return {"image": np.random.default_rng(n).integers(0, 256, (n, 32, 32, 3), dtype=np.uint8)}


def text_batch(n):
    rng = np.random.default_rng(n)
    mask = (np.arange(12) < rng.integers(1, 13, (n, 1))).astype(np.int64)
    return {"input_ids": rng.integers(0, 200, (n, 12)) * mask, "attention_mask": mask}


@pytest.fixture(scope="module", params=["image", "text"])
def graph(request, tmp_path_factory):
    torch.manual_seed(0)
    target, network, batch = {
        "image": (ImageInput(size=32), SmallImageNet(), image_batch),
        "text": (TextInput(length=12), SmallTextNet(), text_batch),
    }[request.param]
    path = tmp_path_factory.mktemp("graph") / f"{request.param}.onnx"
    export_graph(network, example_inputs(target), path)
    return request.param, path, network.eval(), batch


def run(path, batch):
    session = onnxruntime.InferenceSession(str(path))
    return session.run(["code", "logits"], batch)


@pytest.mark.parametrize("n", [1, 2, 7, 33])
def test_onnxruntime_gives_torchs_bits(graph, n):
    _, path, network, batch = graph
    code, logits = run(path, batch(n))
    with torch.inference_mode():
        expected = network(*(torch.from_numpy(value) for value in batch(n).values())).numpy()
    assert code.dtype == np.uint8
    assert logits.dtype == np.float32
    assert np.allclose(logits, expected, atol=1e-5)
    assert np.array_equal(code, codes.pack(logits))
    assert np.array_equal(codes.unpack(code)[abs(expected) > 1e-4], (expected > 0)[abs(expected) > 1e-4])


def test_graph_is_one_file_with_a_free_batch_axis(graph):
    _, path, _, batch = graph
    model = onnx.load(path)
    assert {i.name for i in model.graph.input} == set(batch(1))
    assert all(i.type.tensor_type.shape.dim[0].dim_param for i in model.graph.input)
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_int8_is_smaller_and_keeps_most_bits(graph, tmp_path):
    modality, path, _, batch = graph
    small = tmp_path / "small.onnx"
    if modality == "image":
        quantize_image(path, small, (image_batch(n)["image"] for n in range(8, 16)))
    else:
        quantize_text(path, small)
    tensors = {i.data_type for i in onnx.load(small).graph.initializer}
    assert onnx.TensorProto.INT8 in tensors
    if modality == "text":  # an image graph this small is all scales and zero points
        assert small.stat().st_size < 0.7 * path.stat().st_size
    agreement = np.mean(codes.unpack(run(small, batch(200))[0]) == codes.unpack(run(path, batch(200))[0]))
    assert agreement > 0.9


def test_packing_treats_zero_as_zero_bit():
    logits = torch.tensor([[0.0, 1, -1, 0, 2, 0, 0, -0.5] * 2])
    code, _ = PackedCode(nn.Identity())(logits)
    assert code.tolist() == codes.pack(logits.numpy()).tolist() == [[0b01001000] * 2]
