"""From a run to a bundle: graphs, parity with torch over the query split, quantisation and what it costs."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import nn

from milvus_hash.bundle import Bundle, ImageInput, Modality, TextInput, write_bundle
from milvus_hash.codes import Codes, pack
from milvus_hash.encoder import Encoder
from milvus_hash.errors import InputError
from milvus_hash.evaluate.report import evaluate
from milvus_hash.manifest import read_source
from milvus_hash.media.image import load_image
from milvus_hash.media.text import Tokenizer, check_text
from milvus_hash.record import Record
from milvus_hash_export.onnx import example_inputs, export_graph
from milvus_hash_export.quantize import quantize_image, quantize_text
from milvus_hash_export.run import Run, load_run

Value = TypeVar("Value")

_BATCH = 32
_CALIBRATION = 256  # pictures
_LICENCE = "Apache-2.0"  # of this package's own weights; a backbone's or word table's own licence holds for it


def export(run: str | Path, out: str | Path, *, quantize: str | None = None, name: str | None = None) -> Bundle:
    """Export a run folder as a bundle and measure it.

    The bundle's ``metrics`` hold, per modality, the share of code bits on which onnxruntime's float graph and torch
    agree over the query split (``parity``). With ``quantize`` they also hold the share on which the small graph
    agrees with the float one (``agreement``) and, where the manifest has labels and both splits, the mAP per task
    of both (``map_float32``, ``map_int8``). A manifest without a query split is measured on all its rows.

    Args:
        run: A folder that ``train`` has written; the manifest that it names must still be there.
        out: The bundle to write.
        quantize: ``int8`` for small graphs, None for float32.
        name: A name for people; the run folder's when absent.

    Raises:
        InputError: Not a run, another precision, or the manifest is gone.
        BundleError: ``out`` is neither new nor a bundle.
    """
    if quantize not in (None, "int8"):
        raise InputError(f"quantize={quantize!r} is unknown; 'int8' or nothing can be asked for")
    trained = load_run(run)
    inputs: dict[str, ImageInput | TextInput] = {
        "image": ImageInput(trained.config.image_size, trained.config.resize),
        "text": TextInput(trained.config.text_length),
    }

    def write(path: Path, graphs: Mapping[str, Path], metrics: Mapping[str, Any]) -> Bundle:
        return write_bundle(
            path,
            name=name or trained.path.resolve().name,
            method=trained.config.method,
            bits=trained.config.bits,
            modalities={key: Modality(f"{key}.onnx", inputs[key]) for key in inputs},
            files={f"{key}.onnx": graph for key, graph in graphs.items()} | {"tokenizer.json": trained.tokenizer},
            licence=_LICENCE,
            trained_on=f"{Path(trained.manifest).name}, split train, {trained.epochs} epochs",
            metrics=metrics,
        )

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        graphs = _float_graphs(trained, inputs, folder)
        encoder = Encoder.load(write(folder / "float", graphs, {}).path, batch_size=_BATCH)
        sources = _sources(trained, "query")
        metrics: dict[str, Any] = {"parity": _parity(encoder, trained, inputs, sources)}
        if quantize:
            graphs = _small_graphs(graphs, trained, inputs, folder)
            small = Encoder.load(write(folder / "small", graphs, {}).path, batch_size=_BATCH)
            metrics |= _cost(encoder, small, sources, trained.manifest)
        return write(Path(out), graphs, metrics)


def _float_graphs(trained: Run, inputs: Mapping[str, ImageInput | TextInput], folder: Path) -> dict[str, Path]:
    networks: dict[str, nn.Module] = {"image": trained.image, "text": trained.text}
    graphs = {key: folder / f"{key}.onnx" for key in networks}
    for key, network in networks.items():
        export_graph(network, example_inputs(inputs[key]), graphs[key])
    return graphs


def _small_graphs(
    graphs: Mapping[str, Path], trained: Run, inputs: Mapping[str, ImageInput | TextInput], folder: Path
) -> dict[str, Path]:
    small = {key: folder / f"{key}-int8.onnx" for key in graphs}
    paths = _sources(trained, "train")["image"]
    spread = paths[:: max(1, len(paths) // _CALIBRATION)][:_CALIBRATION]
    pictures = (picture for _, picture in _usable(spread, _decoders(trained, inputs)["image"]))
    quantize_image(graphs["image"], small["image"], (np.stack(batch) for batch in _batches(pictures)))
    quantize_text(graphs["text"], small["text"])
    return small


def _sources(trained: Run, split: str) -> dict[str, list[str]]:
    """Pictures and texts of a split by modality; of the whole manifest where no row is of the split."""
    try:
        records = [row for row in read_source(trained.manifest) if isinstance(row, Record)]
    except InputError as error:
        raise InputError(f"the manifest of {trained.path} cannot be read: {error}") from error
    records = [row for row in records if split in row.splits] or records
    return {
        "image": [record.image for record in records if record.image],
        "text": [text for record in records for text in record.texts],
    }


def _decoders(trained: Run, inputs: Mapping[str, ImageInput | TextInput]) -> dict[str, Callable[[str], Any]]:
    """By modality, what turns a source into the value that goes into a batch."""
    target = inputs["image"]
    assert isinstance(target, ImageInput)
    return {"image": lambda path: load_image(path, target), "text": check_text}


def _usable(sources: Iterable[str], decode: Callable[[str], Any]) -> Iterator[tuple[str, Any]]:
    """Each source with its decoded value; those that cannot be decoded are left out."""
    for source in sources:
        try:
            yield source, decode(source)
        except InputError:
            continue


def _batches(values: Iterable[Value]) -> Iterator[list[Value]]:
    rest = iter(values)
    while batch := list(islice(rest, _BATCH)):
        yield batch


def _parity(
    encoder: Encoder, trained: Run, inputs: Mapping[str, ImageInput | TextInput], sources: Mapping[str, list[str]]
) -> dict[str, Any]:
    """Share of bits on which onnxruntime and torch agree, and the number of inputs, per modality."""
    tokenize = Tokenizer(trained.tokenizer, trained.config.text_length)

    def torch_codes(modality: str, values: list[Any]) -> Codes:
        arrays = [np.stack(values)] if modality == "image" else tokenize(values)
        network: nn.Module = getattr(trained, modality)
        with torch.inference_mode():
            return pack(network(*map(torch.from_numpy, arrays)).numpy())

    result = {}
    for modality, decode in _decoders(trained, inputs).items():
        equal: list[float] = []
        for batch in _batches(_usable(sources[modality], decode)):
            served = encoder.encode(modality, [source for source, _ in batch]).codes
            equal += _equal_bits(served, torch_codes(modality, [value for _, value in batch]))
        result[modality] = {"bits_equal": float(np.mean(equal)), "inputs": len(equal)}
    return result


def _equal_bits(a: Codes, b: Codes) -> list[float]:
    """Share of equal bits of each pair of codes ``(n, bits // 8)``."""
    shares: list[float] = (1.0 - np.bitwise_count(a ^ b).mean(axis=1) / 8).tolist()
    return shares


def _cost(encoder: Encoder, small: Encoder, sources: Mapping[str, list[str]], manifest: str) -> dict[str, Any]:
    """What the small graphs lose against the float ones."""
    agreement = {}
    for modality, mine in sources.items():
        both = ([row.code for row in one.stream(modality, enumerate(mine))] for one in (encoder, small))
        pairs = [(a, b) for a, b in zip(*both, strict=True) if a is not None and b is not None]
        first, second = (np.stack(codes) for codes in zip(*pairs, strict=True))
        agreement[modality] = float(np.mean(_equal_bits(first, second)))
    cost: dict[str, Any] = {"agreement": agreement}
    try:
        reports = {"map_float32": evaluate(encoder, manifest), "map_int8": evaluate(small, manifest)}
    except InputError:  # the manifest has no query or no database split: nothing to rank
        return cost
    for key, report in reports.items():
        cost[key] = {f"{task.task}@{task.bits}": round(task.map, 4) for task in report.tasks}
    return cost
