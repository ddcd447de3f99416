"""From a run to a bundle: one graph per stream, smaller ones where they are asked for, and what each of them costs."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from milvus_hash.bundle import Bundle, Modality, TextInput, write_bundle
from milvus_hash.encoder import Encoder
from milvus_hash.errors import InputError
from milvus_hash_export.measure import cost, feeds, parity, sources_of
from milvus_hash_export.onnx import OPSET, example_inputs, export_graph
from milvus_hash_export.quantize import PRECISIONS, quantize_graph
from milvus_hash_export.run import Run, load_run

_CALIBRATION = {"image": 256, "video": 48}  # inputs; text graphs have no ranges to find
_LICENCE = "Apache-2.0"  # of this package's own weights; a backbone's or word table's own licence holds for it


def export(run: str | Path, out: str | Path, *, quantize: str | None = None, name: str | None = None) -> Bundle:
    """Export a run folder as a bundle and measure it.

    The bundle's ``metrics`` hold the graphs' ``opset`` and, per modality, the share of code bits on which
    onnxruntime's float graph and torch agree over the query split (``parity``). With ``quantize`` they also hold,
    per modality, the share of bits on which the small graph agrees with the float one (``agreement``), the ``bytes``
    of both and their ``items_per_second`` as measured side by side on this machine; and, where the manifest has
    labels and both splits, the mAP of both per task and code length (``map_float32`` and ``map_int8`` or
    ``map_fp16``). A manifest without a query split is measured on all its rows.

    Args:
        run: A folder that ``train`` has written; the manifest that it names must still be there.
        out: The bundle to write.
        quantize: ``int8`` or ``fp16`` for small graphs, None for float32.
        name: A name for people; the run folder's when absent.

    Raises:
        InputError: Not a run, another precision, a graph that cannot be made smaller, or the manifest is gone.
        BundleError: ``out`` is neither new nor a bundle.
    """
    if quantize is not None and quantize not in PRECISIONS:
        raise InputError(f"quantize={quantize!r} is unknown; {', '.join(PRECISIONS)} or nothing can be asked for")
    trained = load_run(run)
    label = name or trained.path.resolve().name
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        graphs = {modality: folder / f"{modality}.onnx" for modality in trained.streams}
        for modality, stream in trained.streams.items():
            export_graph(stream, example_inputs(trained.inputs[modality]), graphs[modality])
        encoder = Encoder.load(_write(trained, folder / "float", graphs, label, {}).path)
        sources = {modality: sources_of(trained, modality, "query") for modality in graphs}
        metrics: dict[str, Any] = {"opset": OPSET, "parity": parity(trained, encoder, sources)}
        if quantize:
            graphs = _small_graphs(trained, graphs, quantize)
            small = Encoder.load(_write(trained, folder / "small", graphs, label, {}).path)
            metrics |= cost(trained, encoder, small, sources, quantize)
        return _write(trained, Path(out), graphs, label, metrics)


def _small_graphs(trained: Run, graphs: Mapping[str, Path], precision: str) -> dict[str, Path]:
    small = {}
    for modality, graph in graphs.items():
        calibration = None
        if precision == "int8" and not isinstance(trained.inputs[modality], TextInput):
            sources = sources_of(trained, modality, "train")
            count = _CALIBRATION[modality]
            calibration = feeds(trained, modality, sources[:: max(1, len(sources) // count)][:count])
        small[modality] = graph.with_name(f"{modality}-{precision}.onnx")
        quantize_graph(graph, small[modality], precision, calibration)
    return small


def _write(trained: Run, path: Path, graphs: Mapping[str, Path], name: str, metrics: Mapping[str, Any]) -> Bundle:
    return write_bundle(
        path,
        name=name,
        method=trained.config.method,
        bits=trained.config.bits,
        modalities={key: Modality(f"{key}.onnx", trained.inputs[key]) for key in graphs},
        files={f"{key}.onnx": graph for key, graph in graphs.items()} | {"tokenizer.json": trained.tokenizer},
        licence=_LICENCE,
        trained_on=f"{Path(trained.manifest).name}, split train, {trained.epochs} epochs",
        metrics=metrics,
    )
