"""Bundles of one graph of vectors, honest or with something changed in it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from milvus_hash.bundle import Bundle, Modality, VectorInput, write_bundle

WIDTH, BITS = 16, 64


@dataclass
class Parts:
    """What a graph is made of: a projection, its signs, eight of them to a byte. Tests change some of it."""

    nodes: list[onnx.NodeProto]
    constants: dict[str, Any]
    outputs: dict[str, tuple[int, Any]] = field(
        default_factory=lambda: {"code": (TensorProto.UINT8, None), "logits": (TensorProto.FLOAT, None)}
    )
    functions: list[onnx.FunctionProto] = field(default_factory=list)

    def replace(self, output: str, node: onnx.NodeProto) -> None:
        """Put ``node`` in the place of the one that gives ``output``."""
        place = next(n for n, old in enumerate(self.nodes) if output in old.output)
        self.nodes[place] = node

    def model(self) -> onnx.ModelProto:
        graph = helper.make_graph(
            self.nodes,
            "vectors",
            [helper.make_tensor_value_info("vector", TensorProto.FLOAT, ["n", WIDTH])],
            [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in self.outputs.items()],
            [numpy_helper.from_array(np.asarray(value), name) for name, value in self.constants.items()],
        )
        domains = [helper.make_opsetid("", 18), helper.make_opsetid("own", 1)]
        return helper.make_model(graph, opset_imports=domains, ir_version=9, functions=self.functions)


def honest(bits: int = BITS) -> Parts:
    """A graph of ``bits`` bits as it has to be."""
    node = helper.make_node
    powers = 2.0 ** np.arange(7, -1, -1, dtype=np.float32)
    return Parts(
        [
            node("MatMul", ["vector", "projection"], ["logits"]),
            node("Greater", ["logits", "zero"], ["signs"]),
            node("Cast", ["signs"], ["ones"], to=TensorProto.FLOAT),
            node("MatMul", ["ones", "packing"], ["bytes"]),
            node("Cast", ["bytes"], ["code"], to=TensorProto.UINT8),
        ],
        {
            "projection": np.random.default_rng(0).standard_normal((WIDTH, bits)).astype(np.float32),
            "zero": np.float32(0),
            "packing": np.kron(np.eye(bits // 8, dtype=np.float32), powers[:, None]),
        },
    )


def changed(change: Callable[[Parts], None], bits: int = BITS) -> Parts:
    """An honest graph after ``change``."""
    parts = honest(bits)
    change(parts)
    return parts


def write_vectors(path: Path, graph: Parts | bytes, *, bits: int = BITS) -> Bundle:
    """Write a bundle of ``bits`` bits with this graph to folder ``path``."""
    data = graph if isinstance(graph, bytes) else graph.model().SerializeToString()
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / "vector.onnx").write_bytes(data)
        return write_bundle(
            path,
            name="vectors",
            method="none",
            bits=[bits],
            modalities={"vector": Modality("vector.onnx", VectorInput(WIDTH))},
            files={"vector.onnx": Path(scratch) / "vector.onnx"},
            licence="Apache-2.0",
            trained_on="nothing",
        )
