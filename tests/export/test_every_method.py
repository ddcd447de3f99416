"""Every method from a manifest to a search in Milvus Lite: train, export to int8, ingest, find.

The networks are tiny and the pictures are sheets of one colour; what is tested is that every step takes what the step
before has written, and that the figures of the export are there and right. The graphs of real backbones are exported
in the test of the command line from end to end.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from clips import animation
from PIL import Image
from tiny_encoders import tiny_bert
from tiny_streams import GREY, SPREAD, units

from milvus_hash.bundle import Bundle
from milvus_hash.cli import main
from milvus_hash_export.export import export
from milvus_hash_export.methods import METHODS
from milvus_hash_export.networks.backbones import BACKBONES, Backbone
from milvus_hash_export.onnx import OPSET
from milvus_hash_export.train import train

COLOURS = {"word1": (220, 30, 30), "word2": (30, 200, 30), "word3": (30, 30, 220)}
ITEMS, QUERIES = 24, 6
SHARED = {
    "backbone": "small",
    "weights": "random",
    "image_size": 32,
    "frames": 2,
    "bits": (16, 32),
    "text_length": 8,
    "embedding_dim": 16,
    "epochs": 40,
    "learning_rate": 5e-3,
    "batch_size": 12,
    "seed": 3,
    "progress": False,
}
SMALL = {
    "tvdb": {"region_count": 2, "lstm": 16, "filters": 8, "hidden": 32},
    "dsmhn": {"hidden": 32, "filters": 8, "epochs": 20},
    # 40 epochs leave it half way, and on some processors at chance
    "dual-path": {"width": 32, "text_scale": 1 / 16, "epochs": 100},
    "text-guided": {"space": 16, "decoder_width": 16, "decoder_heads": 2, "prototypes": 4, "hidden": 32, "epochs": 80},
}
CASES = [(name, visual) for name, kind in METHODS.items() for visual in kind.visuals]


@dataclass(frozen=True)
class Exported:
    visual: str
    manifest: Path
    bundle: Bundle


def run(*words: object, code: int = 0) -> str:
    result = CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.stdout


@pytest.fixture(scope="module", autouse=True)
def _small_backbone():
    """Two convolutions in the table of backbones: tracing a real one takes ten times as long as all the rest."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(BACKBONES, "small", lambda weights, size: Backbone(units(), 48, GREY, SPREAD))
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Sheets of three colours, still and blinking, with their manifests."""
    folder = tmp_path_factory.mktemp("sheets")
    rng = np.random.default_rng(0)
    rows: dict[str, list[dict]] = {"image": [], "video": []}
    for number in range(ITEMS + QUERIES):
        word = list(COLOURS)[number % 3]
        shades = [tuple(np.clip(np.array(COLOURS[word]) + rng.integers(-25, 26, 3), 0, 255).tolist()) for _ in "123"]
        Image.new("RGB", (40, 30), shades[0]).save(folder / f"{number}.png")
        (folder / f"{number}.webp").write_bytes(animation(shades, [100] * 3, "WEBP"))
        row = {"id": f"p{number}", "text": f"{word} word{10 + number % 7}", "labels": [word]}
        row["split"] = "query" if number >= ITEMS else ["train", "database"]
        rows["image"].append(row | {"image": f"{number}.png"})
        rows["video"].append(row | {"video": f"{number}.webp"})
    for visual, mine in rows.items():
        (folder / f"{visual}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in mine))
    return folder


@pytest.fixture(scope="module", params=CASES, ids=["-".join(case) for case in CASES])
def exported(request, folder, tmp_path_factory):
    method, visual = request.param
    settings = SHARED | SMALL[method]
    if not METHODS[method].words:
        settings["embeddings"] = str(tiny_bert(tmp_path_factory.mktemp("bert")))
    manifest = folder / f"{visual}.jsonl"
    out = tmp_path_factory.mktemp("runs")
    train(manifest, out / "run", method=method, **settings)
    return Exported(visual, manifest, export(out / "run", out / "bundle", quantize="int8"))


def test_the_bundle_tells_what_the_export_measured(exported):
    bundle, metrics = exported.bundle, exported.bundle.metrics
    modalities = {exported.visual, "text"}
    assert set(bundle.modalities) == modalities
    assert metrics["opset"] == OPSET
    assert metrics["parity"] == {
        modality: {"bits_equal": pytest.approx(1, abs=0.002), "inputs": QUERIES} for modality in modalities
    }
    assert set(metrics["agreement"]) == modalities
    assert min(metrics["agreement"].values()) > 0.9
    for modality in modalities:
        size = metrics["bytes"][modality]
        assert size["int8"] == (bundle.path / f"{modality}.onnx").stat().st_size < size["float32"]
        assert min(metrics["items_per_second"][modality].values()) > 0
    ways = {f"{a}->{b}@{bits}" for a in modalities for b in modalities for bits in SHARED["bits"]}
    assert set(metrics["map_float32"]) == set(metrics["map_int8"]) == ways


def test_what_is_ingested_is_found(exported, tmp_path):
    where = ["--bundle", exported.bundle.path, "--uri", tmp_path / "sheets.db", "--collection", "sheets"]
    run("ingest", exported.manifest, *where, "--bits", 16, "-q")
    visual, suffix = exported.visual, "png" if exported.visual == "image" else "webp"
    right = {"text": 0, visual: 0}
    for number, word in enumerate(COLOURS):
        file = exported.manifest.parent / f"{number}.{suffix}"
        itself = search(*where, f"--{visual}", file, "--into", visual, "--limit", ITEMS)
        assert f"p{number}" in {hit["item"] for hit in itself if hit["distance"] == 0}
        found = {
            visual: search(*where, "--text", f"{word} word{10 + number}", "--into", visual, "--limit", 5),
            "text": search(*where, f"--{visual}", file, "--into", "text", "--limit", 5),
        }
        for into, hits in found.items():
            right[into] += sum(int(hit["item"][1:]) % 3 == number for hit in hits)
    assert min(right.values()) >= 11, right  # of 15; 5 are of the same colour by chance


def search(*words: object) -> list[dict]:
    return [json.loads(line) for line in run("search", *words, "-q").splitlines()]
