"""Encoding pictures: onnxruntime against torch eager, and the pipeline from files against what the cores allow.

    python tests/benchmarks/encode.py [--images DIR] [--count 512] [--threads 0]

One network (EfficientNet-Lite0 with a hash layer), one set of pictures, one batch size, all in one run, the parts
interleaved over several rounds and the medians taken. "What the machine allows" is cores / (CPU seconds per picture
of decoding alone + of onnxruntime alone). The last line is one JSON object.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from milvus_hash.bundle import ImageInput, Modality, starter_path, write_bundle
from milvus_hash.encoder import Encoder
from milvus_hash.errors import InputError
from milvus_hash.manifest import read_source
from milvus_hash.media.image import load_image
from milvus_hash.record import Record
from milvus_hash.runtime import cpu_count, open_session
from milvus_hash_export.networks.backbones import build_backbone
from milvus_hash_export.networks.head import HashHead
from milvus_hash_export.networks.image import Pool, cut
from milvus_hash_export.networks.stream import Stream
from milvus_hash_export.onnx import example_inputs, export_graph

BATCH = 32
TARGET = ImageInput(size=224)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, default=starter_path().parent / "sample", help="folder or manifest")
    parser.add_argument("--count", type=int, default=512, help="pictures; the set is repeated when it is smaller")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=0, help="0: every core")
    options = parser.parse_args()
    threads = options.threads or cpu_count()
    torch.set_num_threads(threads)
    paths = pictures(options.images, options.count)
    network = build_network()
    with tempfile.TemporaryDirectory() as scratch:
        bundle = export_bundle(network, Path(scratch))
        result = {"float": measure(bundle, network, paths, threads, options.rounds)}
        if (starter_path() / "bundle.json").is_file():
            result["starter_int8"] = measure(starter_path(), None, paths, threads, options.rounds)
    for name, figures in result.items():
        print(name, *(f"  {key}: {value:.4g}" for key, value in figures.items()), sep="\n", file=sys.stderr)
    print(json.dumps({"benchmark": "encode", "cores": threads, "count": len(paths), "batch": BATCH, **result}))


def pictures(source: Path, count: int) -> list[str]:
    """``count`` readable pictures, evenly from the whole source."""
    found = [r.image for r in read_source(source) if isinstance(r, Record) and r.image]
    found = found[:: max(1, len(found) // count)]
    good = []
    for path in found:
        try:
            load_image(path, TARGET)
            good.append(path)
        except InputError as error:
            print(f"left out: {error}", file=sys.stderr)
    return (good * -(-count // len(good)))[:count]


def measure(
    bundle: Path, network: torch.nn.Module | None, paths: list[str], threads: int, rounds: int
) -> dict[str, float]:
    encoder = Encoder.load(bundle, threads=threads, batch_size=BATCH)
    arrays = np.stack([load_image(path, TARGET) for path in paths[: 8 * BATCH]])
    graph = encoder.bundle.read(encoder.bundle.modalities["image"].graph)
    session = open_session(graph, "image", providers=encoder.providers, threads=threads, arena=True)

    def onnxruntime_alone() -> None:
        for start in range(0, len(arrays), BATCH):
            session.run(["code", "logits"], {"image": arrays[start : start + BATCH]})

    def torch_eager() -> None:
        with torch.inference_mode():
            for start in range(0, len(arrays), BATCH):
                network(torch.from_numpy(arrays[start : start + BATCH]))

    def decode_alone() -> None:
        for path in paths:
            load_image(path, TARGET)

    def pipeline() -> None:
        for _ in encoder.stream("image", enumerate(paths)):
            pass

    work = {"decode": (decode_alone, len(paths)), "onnxruntime": (onnxruntime_alone, len(arrays)),
            "pipeline": (pipeline, len(paths))}  # fmt: skip
    if network is not None:
        work["torch"] = (torch_eager, len(arrays))
    onnxruntime_alone()  # the first run allocates
    clocks = {name: [] for name in work}
    for _ in range(rounds):
        for name, (function, count) in work.items():
            clocks[name].append([value / count for value in timed(function)])
    wall = {name: statistics.median(w for w, _ in values) for name, values in clocks.items()}
    cpu = {name: statistics.median(c for _, c in values) for name, values in clocks.items()}
    allowed = [threads / (d[1] + o[1]) for d, o in zip(clocks["decode"], clocks["onnxruntime"], strict=True)]
    reached = [1 / p[0] for p in clocks["pipeline"]]
    figures = {
        "decode_cpu_ms": 1000 * cpu["decode"],
        "onnxruntime_cpu_ms": 1000 * cpu["onnxruntime"],
        "onnxruntime_images_per_s": 1 / wall["onnxruntime"],
        "pipeline_images_per_s": statistics.median(reached),
        "allowed_images_per_s": statistics.median(allowed),
        "pipeline_over_allowed": statistics.median(r / a for r, a in zip(reached, allowed, strict=True)),
    }
    if network is not None:
        figures["torch_images_per_s"] = 1 / wall["torch"]
        ratios = [t[0] / o[0] for t, o in zip(clocks["torch"], clocks["onnxruntime"], strict=True)]
        figures["onnxruntime_over_torch"] = statistics.median(ratios)
    return figures


def timed(function: Callable[[], None]) -> tuple[float, float]:
    """Wall and CPU seconds of a call."""
    wall, cpu = time.perf_counter(), time.process_time()
    function()
    return time.perf_counter() - wall, time.process_time() - cpu


def build_network() -> torch.nn.Module:
    """EfficientNet-Lite0 with its ImageNet weights and an untrained hash layer: speed does not depend on training."""
    backbone = build_backbone("efficientnet_lite0", size=TARGET.size)
    head = HashHead(backbone.width, 512, 64, input_dropout=0.0, dropout=0.0)
    frozen, _ = cut(backbone, 0)
    frozen.append(Pool())
    return Stream(frozen, torch.nn.Identity(), head, pooled=torch.nn.Identity(), signature="benchmark").eval()


def export_bundle(network: torch.nn.Module, folder: Path) -> Path:
    export_graph(network, example_inputs(TARGET), folder / "image.onnx")
    write_bundle(
        folder / "bundle",
        name="benchmark",
        method="none",
        bits=[64],
        modalities={"image": Modality("image.onnx", TARGET)},
        files={"image.onnx": folder / "image.onnx"},
        licence="Apache-2.0",
        trained_on="nothing: the hash layer is random",
    )
    return folder / "bundle"


if __name__ == "__main__":
    main()
