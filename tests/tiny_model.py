"""A bundle small enough to make in every test run: real graphs, a real tokenizer, no training.

A picture is averaged over a 4 x 4 grid of its colours, a clip over its frames as well; a word is a point among such
averages; one random projection hashes all three. So "red", a red picture and a red clip get the same code, and every
other word has a place of its own.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers

from milvus_hash.bundle import Bundle, ImageInput, Modality, TextInput, VideoInput, write_bundle

GRID, SIZE, LENGTH, FRAMES = 4, 32, 8, 4
FEATURES = GRID * GRID * 3
COLOURS = {
    "red": (255, 0, 0),
    "green": (0, 255, 0),
    "blue": (0, 0, 255),
    "yellow": (255, 255, 0),
    "white": (255, 255, 255),
    "black": (0, 0, 0),
}
NAMES = ["a", "an", "the", "of", "and", "with", "flower", "rose", "bus", "car", "cat", "dog", "bird", "tree", "house"]
WORDS = [*COLOURS, *NAMES]


def write_tiny_bundle(
    path: Path,
    *,
    bits: Sequence[int] = (64,),
    seed: int = 0,
    name: str = "tiny",
    modalities: Sequence[str] = ("image", "text"),
) -> Bundle:
    """Write the bundle to folder ``path``; another seed makes another projection, hence other codes."""
    rng = np.random.default_rng(seed)
    projection = rng.standard_normal((FEATURES, bits[-1])).astype(np.float32)
    points = rng.uniform(-1, 1, (len(WORDS) + 2, FEATURES)).astype(np.float32)
    points[0] = 0  # [PAD]
    for row, colour in enumerate(COLOURS.values(), start=2):
        points[row] = np.tile(np.array(colour) / 127.5 - 1, GRID * GRID)
    graphs = {
        "image": (_image_graph(projection), ImageInput(SIZE)),
        "video": (_image_graph(projection, frames=FRAMES), VideoInput(SIZE, frames=FRAMES)),
        "text": (_text_graph(points, projection), TextInput(LENGTH)),
    }
    with tempfile.TemporaryDirectory() as scratch:
        for modality in modalities:
            onnx.save(graphs[modality][0], Path(scratch) / f"{modality}.onnx")
        _tokenizer().save(str(Path(scratch) / "tokenizer.json"))
        return write_bundle(
            path,
            name=name,
            method="random projection",
            bits=bits,
            modalities={modality: Modality(f"{modality}.onnx", graphs[modality][1]) for modality in modalities},
            files={file.name: file for file in Path(scratch).iterdir()},
            licence="Apache-2.0",
            trained_on="nothing",
        )


def _tokenizer() -> Tokenizer:
    vocabulary = {word: number for number, word in enumerate(["[PAD]", "[UNK]", *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer


def _image_graph(projection: np.ndarray, frames: int = 0) -> onnx.ModelProto:
    """The graph of pictures, or of clips of ``frames`` frames, which are averaged."""
    cell = SIZE // GRID
    name, lead = ("video", [frames]) if frames else ("image", [])
    nodes = [
        helper.make_node("Cast", [name], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("Reshape", ["pixels", "cells_shape"], ["cells"]),  # (n, frames, grid, cell, grid, cell, 3)
        helper.make_node("ReduceMean", ["cells", "cell_axes"], ["means"], keepdims=0),  # (n, grid, grid, 3)
        helper.make_node("Flatten", ["means"], ["flat"]),
        helper.make_node("Div", ["flat", "half"], ["scaled"]),
        helper.make_node("Sub", ["scaled", "one"], ["features"]),
    ]
    constants = {
        "cells_shape": np.array([-1, max(1, frames), GRID, cell, GRID, cell, 3]),
        "cell_axes": np.array([1, 3, 5]),
        "half": np.float32(127.5),
        "one": np.float32(1),
    }
    pixels = helper.make_tensor_value_info(name, TensorProto.UINT8, ["n", *lead, SIZE, SIZE, 3])
    return _model([pixels], nodes, constants, projection)


def _text_graph(points: np.ndarray, projection: np.ndarray) -> onnx.ModelProto:
    nodes = [
        helper.make_node("Gather", ["points", "input_ids"], ["words"]),  # (n, length, features)
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "last"], ["weights"]),
        helper.make_node("Mul", ["words", "weights"], ["weighted"]),
        helper.make_node("ReduceSum", ["weighted", "token_axis"], ["features"], keepdims=0),
    ]
    constants = {"points": points, "last": np.array([2]), "token_axis": np.array([1])}
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["n", LENGTH])
        for name in ("input_ids", "attention_mask")
    ]
    return _model(inputs, nodes, constants, projection)


def _model(inputs: list, nodes: list, constants: dict[str, np.ndarray], projection: np.ndarray) -> onnx.ModelProto:
    """A graph that ends as every graph of a bundle does: vectors, logits, their signs, eight to a byte."""
    bits = projection.shape[1]
    nodes = [
        *nodes,
        helper.make_node("Tanh", ["features"], ["embedding"]),
        helper.make_node("MatMul", ["features", "projection"], ["logits"]),
        helper.make_node("Greater", ["logits", "zero"], ["signs"]),
        helper.make_node("Cast", ["signs"], ["ones"], to=TensorProto.FLOAT),
        helper.make_node("Reshape", ["ones", "bytes_shape"], ["octets"]),  # (n, bits // 8, 8)
        helper.make_node("MatMul", ["octets", "powers"], ["values"]),
        helper.make_node("Cast", ["values"], ["code"], to=TensorProto.UINT8),
    ]
    constants = {
        **constants,
        "projection": projection,
        "zero": np.float32(0),
        "bytes_shape": np.array([-1, bits // 8, 8]),
        "powers": 2.0 ** np.arange(7, -1, -1, dtype=np.float32),
    }
    outputs = [
        helper.make_tensor_value_info("code", TensorProto.UINT8, ["n", bits // 8]),
        helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", bits]),
        helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", FEATURES]),
        helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", FEATURES]),
    ]
    weights = [numpy_helper.from_array(np.asarray(value), key) for key, value in constants.items()]
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return model
