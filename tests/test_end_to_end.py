"""The main job through the command line, on real pictures: train, export, eval, ingest, search, on both backends.

The model is small and trained for seconds on a part of the packaged sample, so the figures are weak; what is tested
is that every step takes what the step before has written, and that the codes agree all the way.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from milvus_hash.bundle import read_bundle, starter_path
from milvus_hash.cli import main
from milvus_hash.collection import HashCollection
from milvus_hash.encoder import Encoder
from milvus_hash.manifest import read_source, write_manifest

LABELS = {"animal", "flag", "food", "card"}
SETTINGS = """
image_size = 64
embedding_dim = 32
text_length = 12
batch_size = 16

[options]
filters = 16
hidden = 64
"""


def run(*words: object, code: int = 0) -> str:
    result = CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("end-to-end")


@pytest.fixture(scope="module")
def manifest(folder):
    records = [r for r in read_source(starter_path().parent / "sample" / "manifest.jsonl") if LABELS & set(r.labels)]
    splits = [("query",) if n % 5 == 0 else ("train", "database") for n in range(len(records))]
    records = [replace(r, splits=s) for r, s in zip(records, splits, strict=True)]
    path = folder / "manifest.jsonl"
    assert write_manifest(path, records) == len(records) > 60
    return path


@pytest.fixture(scope="module")
def trained(folder, manifest):
    (folder / "small.toml").write_text(SETTINGS)
    out = folder / "run"
    run("train", manifest, "--recipe", folder / "small.toml", "--bits", "16,32", "--epochs", "4", "--out", out, "-q")
    return out


@pytest.fixture(scope="module", params=["float", "int8"])
def bundle(request, folder, trained):
    out = folder / f"bundle-{request.param}"
    run("export", trained, "--out", out, "-q", *(["--quantize", "int8"] if request.param == "int8" else []))
    return out


def test_export_keeps_torchs_bits_and_says_what_int8_costs(bundle, manifest):
    metrics = read_bundle(bundle).metrics
    queries = [r for r in read_source(manifest) if "query" in r.splits]
    for modality in ("image", "text"):
        assert metrics["parity"][modality]["inputs"] == len(queries)
        assert metrics["parity"][modality]["bits_equal"] >= 0.9999
    if bundle.name.endswith("int8"):
        assert set(metrics["agreement"]) == {"image", "text"}
        assert min(metrics["agreement"].values()) > 0.8
        assert set(metrics["map_int8"]) == set(metrics["map_float32"])


def test_eval_writes_a_report_with_figures_and_picture(bundle, manifest, folder):
    out = folder / f"report-{bundle.name}"
    run("eval", bundle, manifest, "--out", out, "-q")
    report = json.loads((out / "report.json").read_text())
    tasks = {(task["task"], task["bits"]): task["map"] for task in report["tasks"]}
    assert {bits for _, bits in tasks} == {16, 32}
    assert all(0 < value <= 1 for value in tasks.values())
    assert (out / "report.png").read_bytes().startswith(b"\x89PNG")
    assert "| image->text |" in (out / "report.md").read_text()


@pytest.mark.parametrize("uri_fixture", ["lite_uri", "server_uri"], ids=["lite", "server"])
def test_ingest_then_search_finds_what_the_codes_say(request, bundle, manifest, uri_fixture, tmp_path):
    uri = request.getfixturevalue(uri_fixture)
    name = f"end_to_end_{bundle.name.replace('-', '_')}"
    run("ingest", manifest, "--bundle", bundle, "--collection", name, "--bits", 16, "--uri", uri,
        "--rejects", tmp_path / "rejects.jsonl", "-q")  # fmt: skip
    assert not (tmp_path / "rejects.jsonl").exists()
    encoder = Encoder.load(bundle)
    records = list(read_source(manifest))
    with HashCollection.open(name, encoder, uri=uri) as collection:
        assert collection.bits == 16
        assert collection.count("image") == len(records)
        assert collection.count("text") == sum(len(r.texts) for r in records)
        sheet = tmp_path / "sheet.png"
        out = run("search", "--bundle", bundle, "--collection", name, "--uri", uri, "--text", "a red flower",
                  "--image", records[0].image, "--limit", 3, "--sheet", sheet, "-q")  # fmt: skip
        hits = [json.loads(line) for line in out.splitlines()]
        assert len(hits) == 6
        assert sheet.read_bytes().startswith(b"\x89PNG")
        stored = encoder.encode_images([r.image for r in records], bits=16)
        asked = encoder.encode_texts(["a red flower"], bits=16)
        distances = sorted(np.bitwise_count(asked ^ stored).sum(axis=1).tolist())
        assert [hit["distance"] for hit in hits[:3]] == distances[:3]
        assert hits[3]["distance"] == 0  # the picture finds itself, or one with the same code
        assert Path(hits[0]["fields"]["path"]).is_file()
        collection.drop()
