"""From a trained stream to an ONNX graph that takes raw inputs and gives codes.

Normalisation, hash layer, sign and bit packing are inside the graph, and its batch axis is free, so that serving
needs nothing but onnxruntime.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

import onnx
import torch
from onnxscript import optimizer
from torch import Tensor, nn

from milvus_hash.bundle import ImageInput, TextInput, VideoInput
from milvus_hash.errors import InputError
from milvus_hash_export.networks.stream import Stream

OPSET = 20  # onnxruntime 1.17 and later run it; the exporter's own default, stated so that it cannot drift
_ANY_SIZE = 1 << 62  # weights that are only moved about (the gates of an LSTM) are moved once, here
OUTPUTS = ("code", "logits", "embedding", "features")


class PackedCode(nn.Module):
    """A stream followed by sign and bit packing.

    Calls take the raw inputs of the stream and give, by the names in ``OUTPUTS``:

    - ``code`` uint8 ``(n, bits // 8)``, most significant bit first as ``numpy.packbits`` does it,
    - ``logits`` float32 ``(n, bits)``,
    - ``embedding`` float32 ``(n, width)``, the learned vector before the hash layers,
    - ``features`` float32 ``(n, d)``, the pretrained vector in which nothing was learned.
    """

    def __init__(self, stream: Stream) -> None:
        super().__init__()
        self.stream = stream
        self.register_buffer("weights", torch.tensor([128, 64, 32, 16, 8, 4, 2, 1], dtype=torch.int32))

    def forward(self, *inputs: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The outputs of a batch."""
        features = self.stream.features(*inputs)
        embedding = self.stream.embed(*features)
        logits: Tensor = self.stream.head(embedding)
        bits = (logits > 0).to(torch.int32).reshape(logits.shape[0], -1, 8)  # (n, bits // 8, 8)
        code = (bits * self.get_buffer("weights")).sum(dim=2)
        return code.to(torch.uint8), logits, _own(embedding), _own(self.stream.pooled(*features))


def _own(output: Tensor) -> Tensor:
    """A copy: two outputs of a graph that are one tensor would lose one of their names."""
    return output.float().clone()


def example_inputs(target: ImageInput | VideoInput | TextInput) -> dict[str, Tensor]:
    """A batch of two, by the names and in the order of the graph's inputs."""
    if isinstance(target, ImageInput):
        return {"image": torch.zeros(2, target.size, target.size, 3, dtype=torch.uint8)}
    if isinstance(target, VideoInput):
        return {"video": torch.zeros(2, target.frames, target.size, target.size, 3, dtype=torch.uint8)}
    ids = torch.ones(2, target.length, dtype=torch.int64)
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


def export_graph(stream: Stream, inputs: Mapping[str, Tensor], path: Path) -> None:
    """Export ``stream`` with packing to one self-contained file of opset ``OPSET`` and check it.

    Args:
        stream: Takes the values of ``inputs`` in order.
        inputs: An example batch by input name.
        path: The ``.onnx`` file to write.

    Raises:
        InputError: The stream works for one batch size only.
        torch.onnx.OnnxExporterError: The stream does something that has no counterpart in ONNX.
        onnx.checker.ValidationError: The exporter produced an invalid graph.
    """
    batch = torch.export.Dim("n")
    with _silence():
        program = torch.onnx.export(
            PackedCode(stream).eval(),
            tuple(inputs.values()),
            dynamo=True,
            opset_version=OPSET,
            input_names=list(inputs),
            output_names=list(OUTPUTS),
            dynamic_shapes=(tuple({0: batch} for _ in inputs),),  # one entry: forward takes *inputs
            verbose=False,
        )
        assert program is not None
        optimizer.optimize(program.model, input_size_limit=_ANY_SIZE, output_size_limit=_ANY_SIZE)
    for output in program.model.graph.outputs:
        if output.shape is None or isinstance(output.shape[0], int):
            raise InputError(
                f"{path.name}: the batch axis of {output.name} is not free (shape {output.shape}); "
                "something in the network fixes it, such as len(x) instead of x.shape[0]"
            )
    program.save(str(path), external_data=False)
    onnx.checker.check_model(str(path), full_check=True)


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Keep the exporter's notes on its own internals from the user: prints, warnings and log lines."""
    logger = logging.getLogger("onnxscript")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
