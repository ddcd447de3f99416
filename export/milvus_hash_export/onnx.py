"""From a trained network to an ONNX graph that takes raw inputs and gives codes.

Normalisation, hash layer, sign and bit packing are inside the graph, and its batch axis is free, so that serving
needs nothing but onnxruntime.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Mapping
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

from milvus_hash.bundle import ImageInput, TextInput


class PackedCode(nn.Module):
    """A network followed by sign and bit packing.

    Calls give ``code`` uint8 ``(n, bits // 8)``, most significant bit first as ``numpy.packbits`` does it, and
    ``logits`` float32 ``(n, bits)``.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("weights", torch.tensor([128, 64, 32, 16, 8, 4, 2, 1], dtype=torch.int32))

    def forward(self, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Codes and logits of a batch."""
        logits: Tensor = self.network(*inputs)
        bits = (logits > 0).to(torch.int32).reshape(logits.shape[0], -1, 8)  # (n, bits // 8, 8)
        code = (bits * self.get_buffer("weights")).sum(dim=2)
        return code.to(torch.uint8), logits


def example_inputs(target: ImageInput | TextInput) -> dict[str, Tensor]:
    """A batch of two, by the names and in the order of the graph's inputs."""
    if isinstance(target, ImageInput):
        return {"image": torch.zeros(2, target.size, target.size, 3, dtype=torch.uint8)}
    ids = torch.ones(2, target.length, dtype=torch.int64)
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


def export_graph(network: nn.Module, inputs: Mapping[str, Tensor], path: Path) -> None:
    """Export ``network`` with packing to one self-contained file and check it.

    Args:
        network: Takes the values of ``inputs`` in order, gives logits float32 ``(n, bits)``.
        inputs: An example batch by input name.
        path: The ``.onnx`` file to write.

    Raises:
        onnx.checker.ValidationError: The exporter produced an invalid graph.
    """
    batch = torch.export.Dim("n")
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")  # the exporter warns of its own internals
        program = torch.onnx.export(
            PackedCode(network).eval(),
            tuple(inputs.values()),
            dynamo=True,
            input_names=list(inputs),
            output_names=["code", "logits"],
            dynamic_shapes=(tuple({0: batch} for _ in inputs),),  # one entry: forward takes *inputs
            verbose=False,
        )
    assert program is not None
    program.save(str(path), external_data=False)
    onnx.checker.check_model(str(path), full_check=True)
