"""Smaller graphs: int8 where it costs few bits, float16 weights everywhere else.

``fp16`` stores every large weight as float16. A Cast, which onnxruntime folds when it opens the graph, gives float32
back: half the size, the same arithmetic and speed. Arithmetic in float16 is no alternative on a CPU: on
EfficientNet-Lite0 it ran at 0.6 of the speed and lost three times as many bits.

``int8`` goes by what a weight is for:

- convolutions of pictures and clips become static int8 (QDQ, one scale per channel of the weights, uint8 activations
  with ranges from calibration);
- matrices of a Transformer become int8 and are multiplied in int8, with ranges of the activations taken as they come;
- rows of a word table become int8 with a scale each;
- weights of other convolutions, of LSTMs and of other matrices are stored as int8 with a scale per output, unfolded
  once on opening: a quarter of the size, arithmetic in float32;
- everything behind the embedding (the hash layers) is stored as float16: there a small error turns into a bit.

Both factors of a product in int8 are unsigned. With signed weights, processors without VNNI instructions add two
products in 16 bits, which overflows: the same graph would give other codes there.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnxruntime import quantization

from milvus_hash.errors import InputError

PRECISIONS = ("int8", "fp16")
_SMALL = 1024  # tensors of fewer elements are left alone: nothing to save
# nodes between convolutions that onnxruntime runs in int8; the rest stays float
_STATIC = ["Conv", "Clip", "Relu", "Add", "Mul", "AveragePool", "GlobalAveragePool", "MaxPool", "Concat"]
# the axes of a weight over which one output adds up, by the operator that uses it
_SUMMED: Mapping[str, Callable[[onnx.NodeProto, int], tuple[int, ...]]] = {
    "Conv": lambda node, rank: tuple(range(1, rank)),
    "Gemm": lambda node, rank: (1 if any(a.name == "transB" and a.i for a in node.attribute) else 0,),
    "MatMul": lambda node, rank: (rank - 2,),
    "LSTM": lambda node, rank: (rank - 1,),
}

Feed = Mapping[str, NDArray[Any]]


def quantize_graph(source: Path, target: Path, precision: str, calibration: Iterable[Feed] | None = None) -> None:
    """Write the float graph ``source`` in ``precision`` to ``target``.

    Args:
        source: A graph of :func:`milvus_hash_export.onnx.export_graph`.
        target: The file to write.
        precision: ``int8`` or ``fp16``.
        calibration: For int8 convolutions, batches of typical inputs by input name; some hundred pictures are
            enough. None: no convolution computes in int8.

    Raises:
        InputError: There is no such precision, or nothing in the graph that it makes smaller, or onnxruntime cannot
            quantise it; the message names the graph.
    """
    if precision not in PRECISIONS:
        raise InputError(f"precision {precision!r} is unknown; there are: {', '.join(PRECISIONS)}")
    model = onnx.load(source)
    if not _large(model.graph):
        raise InputError(f"{source.name} has no weights that {precision} makes smaller; export it as float32")
    del model.graph.value_info[:]  # the exporter's notes on shapes; the quantiser's own would contradict them
    if precision == "int8":
        try:
            model = _quantized(model, calibration)
        except Exception as error:  # whatever onnxruntime's quantiser raises on an operator that it does not know
            raise InputError(f"{source.name} cannot be quantised to int8 ({error}); fp16 always works") from error
    for tensor in _large(model.graph):
        _unfold(model.graph, tensor, *_halved(tensor))
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, target)


def _quantized(model: onnx.ModelProto, calibration: Iterable[Feed] | None) -> onnx.ModelProto:
    """The model in int8; what stays float32 in it is left for float16."""
    for tensor in _large(model.graph):
        _quantize_rows(model.graph, tensor)
    if any(node.op_type == "Softmax" for node in model.graph.node):
        matrices = [node.name for node in _weighted(model.graph, "MatMul") if node.name not in _head(model.graph)]
        model = _rewritten(
            model,
            quantization.quantize_dynamic,
            nodes_to_quantize=matrices,
            per_channel=True,
            weight_type=quantization.QuantType.QUInt8,
        )
    if calibration is not None and (convolutional := _convolutional(model.graph)):
        model = _rewritten(
            model,
            quantization.quantize_static,
            _Reader(calibration),
            quant_format=quantization.QuantFormat.QDQ,
            per_channel=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QUInt8,
            extra_options={"WeightSymmetric": True},  # onnxruntime takes one zero point for all channels
            nodes_to_quantize=convolutional,
            op_types_to_quantize=_STATIC,
        )
    head = _head(model.graph)  # onnxruntime has given its nodes other names
    for tensor in _large(model.graph):
        users = [node for node in model.graph.node if tensor.name in node.input]
        if users[0].op_type in _SUMMED and not any(node.name in head for node in users):
            axes = _SUMMED[users[0].op_type](users[0], len(tensor.dims))
            _unfold(model.graph, tensor, *_rounded(tensor, axes))
    return model


def _large(graph: onnx.GraphProto) -> list[TensorProto]:
    """Float32 weights worth the effort. Vectors are not: they are small, and scales on which other values depend."""
    floats = [i for i in graph.initializer if i.data_type == TensorProto.FLOAT]
    return [i for i in floats if np.prod(i.dims) >= _SMALL and sum(d > 1 for d in i.dims) > 1]


def _head(graph: onnx.GraphProto) -> set[str]:
    """Names of the nodes between the embedding and the logits."""
    return _needed(graph, {"logits"}) - _needed(graph, {"embedding"})


def _needed(graph: onnx.GraphProto, values: set[str]) -> set[str]:
    """Names of the nodes that ``values`` are computed by; nodes stand in the order of their execution."""
    values, names = set(values), set()
    for node in reversed(graph.node):
        if values & set(node.output):
            values |= set(node.input)
            names.add(node.name)
    return names


def _weighted(graph: onnx.GraphProto, kind: str) -> list[onnx.NodeProto]:
    """Nodes of type ``kind`` whose second input is a large weight."""
    weights = {tensor.name for tensor in _large(graph)}
    return [node for node in graph.node if node.op_type == kind and node.input[1] in weights]


def _convolutional(graph: onnx.GraphProto) -> list[str]:
    """Names of the convolutions, of the nodes between them, and of those that end the last of them."""
    head = _head(graph)
    nodes = [node for node in graph.node if node.op_type in _STATIC and node.name not in head]
    convolutions = [node for node in nodes if node.op_type == "Conv"]
    between = _needed(graph, {value for node in convolutions for value in node.input})
    values = {value for node in convolutions for value in node.output}
    chosen = []
    for node in nodes:
        if node in convolutions or node.name in between or values & set(node.input):
            values |= set(node.output)
            chosen.append(node.name)
    return chosen


class _Reader(quantization.CalibrationDataReader):  # type: ignore[misc]
    """Feeds calibration batches one by one, as onnxruntime asks for them."""

    def __init__(self, batches: Iterable[Feed]) -> None:
        self._batches = iter(batches)

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        batch = next(self._batches, None)
        return None if batch is None else dict(batch)


def _rewritten(model: onnx.ModelProto, function: Any, *args: Any, **options: Any) -> onnx.ModelProto:  # noqa: ANN401
    """The model after a function of onnxruntime's quantiser, which reads and writes files and gives advice."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        with tempfile.TemporaryDirectory() as scratch:
            before, after = Path(scratch) / "before.onnx", Path(scratch) / "after.onnx"
            onnx.save(model, before)
            function(str(before), str(after), *args, **options)
            return onnx.load(after)
    finally:
        root.setLevel(level)


def _rounded(tensor: TensorProto, axes: tuple[int, ...]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """int8 values and the scales, one for all values along ``axes``, that they are to be multiplied with."""
    values = numpy_helper.to_array(tensor)
    scale = np.maximum(np.abs(values).max(axis=axes, keepdims=True), 1e-12) / 127.0
    return np.rint(values / scale).astype(np.int8), scale.astype(np.float32)


def _halved(tensor: TensorProto) -> tuple[NDArray[np.float16], None]:
    return numpy_helper.to_array(tensor).astype(np.float16), None


def _unfold(
    graph: onnx.GraphProto, tensor: TensorProto, stored: NDArray[Any], scale: NDArray[np.float32] | None
) -> None:
    """Store ``stored`` (and ``scale``) instead of ``tensor``; nodes that are folded on opening make it of them."""
    name = tensor.name
    graph.initializer.remove(tensor)
    graph.initializer.append(numpy_helper.from_array(stored, f"{name}_stored"))
    if scale is None:
        graph.node.insert(0, helper.make_node("Cast", [f"{name}_stored"], [name], to=TensorProto.FLOAT))
        return
    graph.initializer.append(numpy_helper.from_array(scale, f"{name}_scale"))
    graph.node.insert(0, helper.make_node("Cast", [f"{name}_stored"], [f"{name}_cast"], to=TensorProto.FLOAT))
    graph.node.insert(1, helper.make_node("Mul", [f"{name}_cast", f"{name}_scale"], [name]))


def _quantize_rows(graph: onnx.GraphProto, table: TensorProto) -> None:
    """Replace the lookups in a float table by lookups of int8 rows times lookups of their scales."""
    users = [node for node in graph.node if table.name in node.input]
    if any(node.op_type != "Gather" or any(a.name == "axis" and a.i for a in node.attribute) for node in users):
        return
    name = table.name
    rows, scale = _rounded(table, tuple(range(1, len(table.dims))))
    graph.initializer.remove(table)
    graph.initializer.append(numpy_helper.from_array(rows, f"{name}_rows"))
    graph.initializer.append(numpy_helper.from_array(scale, f"{name}_scale"))
    for node in users:
        ids, out = node.input[1], node.output[0]
        position = list(graph.node).index(node)
        graph.node.remove(node)
        for offset, fresh in enumerate(
            [
                helper.make_node("Gather", [f"{name}_rows", ids], [f"{out}_rows"], axis=0),
                helper.make_node("Cast", [f"{out}_rows"], [f"{out}_cast"], to=TensorProto.FLOAT),
                helper.make_node("Gather", [f"{name}_scale", ids], [f"{out}_scale"], axis=0),
                helper.make_node("Mul", [f"{out}_cast", f"{out}_scale"], [out]),
            ]
        ):
            graph.node.insert(position + offset, fresh)
