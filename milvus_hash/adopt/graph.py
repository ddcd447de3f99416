"""The ONNX graph of a learned hash: vectors in, packed codes, logits and a query's weights out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from milvus_hash.extras import require

OPSET = 18
IR_VERSION = 9  # onnxruntime 1.17 and later read it
SMALLEST_NORM = 1e-12  # a vector of zeros stays one

Matrix = NDArray[np.float32]
Affine = tuple[Matrix, Matrix]
"""A matrix ``(width, bits)`` and an offset ``(bits,)``: ``x @ matrix + offset``."""


def write_graph(path: str | Path, *, unit: bool, logits: Affine, weights: Affine) -> None:
    """Write the graph to ``path``: input ``vector`` float32 ``(n, width)``.

    Outputs are ``code`` uint8 ``(n, bits // 8)``, the packed signs of ``logits`` float32 ``(n, bits)``, and
    ``weights`` float32 ``(n, bits)``, what a query brings to asymmetric scoring.

    Args:
        path: The ``.onnx`` file.
        unit: Scale every vector to length 1 first.
        logits: The map to the logits.
        weights: The map to the weights.

    Raises:
        MissingExtra: ``onnx`` is not installed.
    """
    onnx = require("onnx", "adopt")
    width, bits = logits[0].shape
    constants = {
        "logits_matrix": logits[0],
        "logits_offset": logits[1],
        "weights_matrix": weights[0],
        "weights_offset": weights[1],
        "zero": np.zeros((), np.float32),
        "packing": _packing(bits),
    }
    nodes = []
    if unit:
        constants |= {"last": np.array([1]), "smallest": np.array(SMALLEST_NORM, np.float32)}
        nodes += [
            ("ReduceL2", ["vector", "last"], "norm", {"keepdims": 1}),
            ("Max", ["norm", "smallest"], "length", {}),
            ("Div", ["vector", "length"], "scaled", {}),
        ]
    scaled = "scaled" if unit else "vector"
    nodes += [
        ("Gemm", [scaled, "logits_matrix", "logits_offset"], "logits", {}),
        ("Gemm", [scaled, "weights_matrix", "weights_offset"], "weights", {}),
        ("Greater", ["logits", "zero"], "signs", {}),
        ("Cast", ["signs"], "ones", {"to": onnx.TensorProto.FLOAT}),
        ("MatMul", ["ones", "packing"], "bytes", {}),
        ("Cast", ["bytes"], "code", {"to": onnx.TensorProto.UINT8}),
    ]
    onnx.save(_model(onnx, nodes, constants, width, bits), str(path))


def _packing(bits: int) -> Matrix:
    """``(bits, bits // 8)``: turns zeros and ones into bytes, most significant bit first, as ``numpy.packbits``."""
    powers = 2.0 ** np.arange(7, -1, -1, dtype=np.float32)
    return np.kron(np.eye(bits // 8, dtype=np.float32), powers[:, None])


def _model(onnx: Any, nodes: list[Any], constants: dict[str, Any], width: int, bits: int) -> Any:  # noqa: ANN401
    helper, kinds = onnx.helper, onnx.TensorProto
    graph = helper.make_graph(
        [helper.make_node(kind, inputs, [output], **options) for kind, inputs, output, options in nodes],
        "vector",
        [helper.make_tensor_value_info("vector", kinds.FLOAT, ["n", width])],
        [
            helper.make_tensor_value_info("code", kinds.UINT8, ["n", bits // 8]),
            helper.make_tensor_value_info("logits", kinds.FLOAT, ["n", bits]),
            helper.make_tensor_value_info("weights", kinds.FLOAT, ["n", bits]),
        ],
        [onnx.numpy_helper.from_array(np.ascontiguousarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    onnx.checker.check_model(model, full_check=True)
    return model
