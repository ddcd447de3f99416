"""Clips are a modality as pictures are: every direction, baselines, rejects."""

from __future__ import annotations

import pytest
from PIL import Image
from tiny_model import COLOURS, write_tiny_bundle

from milvus_hash.encoder import Encoder
from milvus_hash.evaluate.compare import compare
from milvus_hash.manifest import write_manifest
from milvus_hash.record import Record


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
    """Clips of one colour with its name, one of them broken."""
    folder = tmp_path_factory.mktemp("clips")
    encoder = Encoder.load(write_tiny_bundle(folder / "bundle", modalities=("video", "text")).path, threads=1)
    splits = ("query", "database", "train")
    (folder / "broken.gif").write_bytes(b"no clip")
    rows = [Record("broken", video=str(folder / "broken.gif"), texts=("grey",), labels=("grey",), splits=splits)]
    for name, colour in COLOURS.items():
        frames = [Image.new("RGB", (8, 8), colour) for _ in range(3)]
        frames[0].save(folder / f"{name}.gif", save_all=True, append_images=frames[1:])
        rows.append(Record(name, video=str(folder / f"{name}.gif"), texts=(name,), labels=(name,), splits=splits))
    write_manifest(folder / "manifest.jsonl", rows)
    return compare([encoder], folder / "manifest.jsonl", ks=[1], baselines=True)


def test_every_direction_with_clips(comparison):
    tasks = {"video->video", "video->text", "text->video", "text->text"}
    assert {line.score.task for line in comparison.lines} == tasks
    assert {line.score.task for line in comparison.lines if line.score.hit} == {"video->text", "text->video"}


def test_a_colour_finds_its_name(comparison):
    (report,) = comparison.reports.values()
    figures = {task.task: task.map for task in report.tasks}
    assert figures["video->text"] == figures["text->video"] == 1.0
    assert [(reject.id, "broken.gif" in reject.path) for reject in report.rejects] == [("broken", True)]


def test_baselines_are_fitted_to_clips(comparison):
    assert {"cca", "hyperplanes"} <= {line.method for line in comparison.lines if line.score.task == "text->video"}
