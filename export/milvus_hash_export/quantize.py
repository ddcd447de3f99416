"""Smaller graphs: int8 with calibration for image graphs, int8 tables and half-precision weights for text graphs.

The image graph is quantised statically (QDQ, per-channel int8 weights, uint8 activations from calibration
pictures); the hash layers stay out of it, because there a small error turns into a bit. The text graph is nearly all
embedding table: its rows become int8 with a scale each. The other weights of both are stored as float16 and unfolded
once by onnxruntime on loading, so that their arithmetic stays float32.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnxruntime import quantization
from onnxruntime.quantization import shape_inference

_SMALL = 1024  # tensors of fewer elements are left alone: nothing to save


def quantize_image(source: Path, target: Path, calibration: Iterable[NDArray[np.uint8]]) -> None:
    """Write the image graph ``source`` as an int8 graph to ``target``.

    Args:
        source: A float graph with the input ``image``.
        target: The file to write.
        calibration: Batches uint8 ``(n, H, W, 3)`` of typical pictures; some hundred pictures are enough.
    """
    with tempfile.TemporaryDirectory() as scratch:
        prepared = Path(scratch) / "prepared.onnx"
        shape_inference.quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        hash_layer = _nodes_after_pooling(onnx.load(prepared))
        _quietly(
            quantization.quantize_static,
            str(prepared),
            str(target),
            _Reader(iter(calibration)),
            quant_format=quantization.QuantFormat.QDQ,
            per_channel=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            nodes_to_exclude=hash_layer,
        )
    _store(_halve_weights(onnx.load(target)), target)


class _Reader(quantization.CalibrationDataReader):  # type: ignore[misc]
    """Feeds calibration batches one by one, as onnxruntime asks for them."""

    def __init__(self, batches: Iterator[NDArray[np.uint8]]) -> None:
        self._batches = batches

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        batch = next(self._batches, None)
        return None if batch is None else {"image": batch}


def _nodes_after_pooling(model: onnx.ModelProto) -> list[str]:
    """Names of the nodes behind the last convolution's pooling: head, sign and packing."""
    nodes = list(model.graph.node)
    last = max(i for i, node in enumerate(nodes) if node.op_type == "Conv")
    pooled = next(
        (i for i in range(last, len(nodes)) if nodes[i].op_type in {"ReduceMean", "GlobalAveragePool"}), last + 1
    )
    return [node.name for node in nodes[pooled:]]


def _quietly(function: Any, *args: Any, **options: Any) -> None:  # noqa: ANN401
    """Call ``function`` without the root-logger advice that onnxruntime's quantiser prints."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        function(*args, **options)
    finally:
        root.setLevel(level)


def quantize_text(source: Path, target: Path) -> None:
    """Write the text graph ``source`` with an int8 embedding table and float16 weights to ``target``."""
    model = onnx.load(source)
    graph = model.graph
    tables = {i.name: i for i in graph.initializer if i.data_type == TensorProto.FLOAT and _size(i) >= _SMALL}
    lookups = [n for n in graph.node if n.op_type == "Gather" and n.input[0] in tables]
    for node in lookups:
        _quantize_rows(graph, node, tables[node.input[0]])
    _store(_halve_weights(model), target)


def _halve_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Store every large float32 matrix as float16; a Cast, folded on loading, gives float32 back.

    Vectors stay: they are scales, on which other values depend, and small.
    """
    graph = model.graph
    large = [i for i in graph.initializer if i.data_type == TensorProto.FLOAT and _size(i) >= _SMALL]
    for tensor in [i for i in large if min(i.dims) > 1]:
        half = numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), f"{tensor.name}_half")
        graph.initializer.remove(tensor)
        graph.initializer.append(half)
        graph.node.insert(0, helper.make_node("Cast", [half.name], [tensor.name], to=TensorProto.FLOAT))
    return model


def _store(model: onnx.ModelProto, target: Path) -> None:
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, target)


def _size(tensor: TensorProto) -> int:
    return int(np.prod(tensor.dims))


def _quantize_rows(graph: onnx.GraphProto, gather: onnx.NodeProto, table: TensorProto) -> None:
    """Replace a lookup in a float table by a lookup of int8 rows times a lookup of their scales."""
    rows = numpy_helper.to_array(table)
    scale = np.maximum(np.abs(rows).max(axis=1, keepdims=True), 1e-12) / 127.0
    name, ids, out = table.name, gather.input[1], gather.output[0]
    graph.initializer.remove(table)
    graph.initializer.append(numpy_helper.from_array(np.rint(rows / scale).astype(np.int8), f"{name}_int8"))
    graph.initializer.append(numpy_helper.from_array(scale.astype(np.float32), f"{name}_scale"))
    position = list(graph.node).index(gather)
    graph.node.remove(gather)
    fresh = [
        helper.make_node("Gather", [f"{name}_int8", ids], [f"{out}_int8"], axis=0),
        helper.make_node("Cast", [f"{out}_int8"], [f"{out}_cast"], to=TensorProto.FLOAT),
        helper.make_node("Gather", [f"{name}_scale", ids], [f"{out}_scale"], axis=0),
        helper.make_node("Mul", [f"{out}_cast", f"{out}_scale"], [out]),
    ]
    for offset, node in enumerate(fresh):
        graph.node.insert(position + offset, node)
