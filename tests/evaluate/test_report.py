"""The report of a real (random) bundle on a generated manifest."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from PIL import Image

from milvus_hash.codes import hamming
from milvus_hash.errors import InputError
from milvus_hash.evaluate.conventions import CONVENTIONS, FLOAT_CONVENTIONS
from milvus_hash.evaluate.report import evaluate
from milvus_hash.evaluate.write import to_markdown, write
from milvus_hash.manifest import write_manifest
from milvus_hash.record import Record

COLOURS = ("red", "green", "blue")


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """Six queries and fourteen database items, of three labels; every item has a picture and a text."""
    folder = tmp_path_factory.mktemp("evaluation")
    random = np.random.default_rng(0)
    records = []
    for number in range(20):
        path = folder / f"{number}.png"
        Image.fromarray(random.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(path)
        label = COLOURS[number % 3]
        split = "query" if number < 6 else "database"
        records.append(
            Record(f"item {number}", str(path), texts=(f"{label} {number}",), labels=(label,), splits=(split,))
        )
    return records


@pytest.fixture(scope="module")
def manifest(rows, tmp_path_factory):
    path = tmp_path_factory.mktemp("manifest") / "manifest.jsonl"
    write_manifest(path, rows)
    return path


@pytest.fixture(scope="module")
def report(tiny_encoder, manifest):
    return evaluate(tiny_encoder, manifest, ks=(1, 5))


def test_every_direction_at_every_length(report):
    tasks = {"image->image", "image->text", "text->image", "text->text"}
    assert {(task.task, task.bits) for task in report.tasks} == {(t, bits) for t in tasks for bits in (32, 64)}
    assert {(pair.task, pair.bits) for pair in report.pairs} == {
        (t, bits) for t in ("image->text", "text->image") for bits in (32, 64)
    }
    assert {(entry.modality, entry.bits) for entry in report.bits} == {
        (m, bits) for m in ("image", "text") for bits in (32, 64)
    }
    assert all((task.queries, task.database, task.queries_without_relevant) == (6, 14, 0) for task in report.tasks)


def test_figures_are_those_of_the_codes_and_labels(report, rows, tiny_encoder):
    """Text to image at 32 bits: the first place, worked out from the encoder's own codes."""
    queries = tiny_encoder.encode_texts([row.texts[0] for row in rows[:6]], bits=32)
    images = tiny_encoder.encode_images([row.image for row in rows[6:]], bits=32)
    expected = []
    for row, distances in zip(rows, hamming(queries, images), strict=False):
        nearest = np.flatnonzero(distances == distances.min())
        expected.append(np.mean([rows[6 + index].labels == row.labels for index in nearest]))
    (task,) = [task for task in report.tasks if (task.task, task.bits) == ("text->image", 32)]
    assert task.precision[1] == pytest.approx(np.mean(expected))
    assert task.hit[1] == pytest.approx(np.mean(expected))


def test_pairs_count_the_own_partner_among_the_queries(report, rows, tiny_encoder):
    queries = tiny_encoder.encode_texts([row.texts[0] for row in rows[:6]])
    images = tiny_encoder.encode_images([row.image for row in rows[:6]])
    distances = hamming(queries, images)
    ties = (distances == distances.min(axis=1, keepdims=True)).sum(axis=1)
    expected = np.mean((np.diag(distances) == distances.min(axis=1)) / ties)
    (pairs,) = [pairs for pairs in report.pairs if (pairs.task, pairs.bits) == ("text->image", 64)]
    assert (pairs.queries, pairs.candidates) == (6, 6)
    assert pairs.hit[1] == pytest.approx(expected)


def test_every_figure_has_a_convention(report):
    figures = set(asdict(report.tasks[0])) | set(asdict(report.bits[0])) | {"pairs", "overlap", "interval"}
    counts = {"task", "bits", "queries", "database", "modality", "codes", "constant"}
    assert figures - counts - {"map_interval"} == set(CONVENTIONS)


def test_the_queries_alone_may_be_pictures_that_cannot_be_read(rows, tiny_encoder, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    records = [Record("bad", str(broken), texts=("red 99",), labels=("red",), splits=("query",)), *rows]
    path = tmp_path / "manifest.jsonl"
    write_manifest(path, records)
    with path.open("a") as file:
        file.write('{"id": "item 3", "text": "again"}\n')
    report = evaluate(tiny_encoder, path, bits=[64], ks=[1])
    assert [(reject.id, reject.path) for reject in report.rejects] == [("item 3", f"{path}:22"), ("bad", str(broken))]
    queries = {task.task: task.queries for task in report.tasks}
    assert queries == {"image->image": 6, "image->text": 6, "text->image": 7, "text->text": 7}
    (pairs,) = [pairs for pairs in report.pairs if pairs.task == "text->image"]
    assert (pairs.queries, pairs.candidates) == (6, 6)  # the text whose picture is gone has no partner


def test_several_texts_are_several_queries(tiny_encoder, rows, tmp_path):
    captions = [Record("two", texts=("red one", "red two"), labels=("red",), splits=("query",)), *rows[6:]]
    path = tmp_path / "manifest.jsonl"
    write_manifest(path, captions)
    report = evaluate(tiny_encoder, path, bits=[64], ks=[1])
    assert {task.task: task.queries for task in report.tasks} == {"text->image": 2, "text->text": 2}
    (pairs,) = report.pairs
    assert (pairs.task, pairs.queries, pairs.candidates, pairs.hit) == ("text->text", 2, 2, {1: 1.0})


def test_unlabelled_items_leave_the_pairs(tiny_encoder, rows, tmp_path):
    path = tmp_path / "manifest.jsonl"
    write_manifest(path, (Record(row.id, row.image, texts=row.texts, splits=row.splits) for row in rows))
    report = evaluate(tiny_encoder, path, bits=[64], ks=[1])
    assert report.tasks == ()
    assert len(report.pairs) == 2
    assert "Pairs" in to_markdown(report)
    assert all(path.is_file() for path in write(report, tmp_path))


def test_progress_counts_each_item(tiny_encoder, manifest):
    seen = []
    evaluate(tiny_encoder, manifest, bits=[32], ks=[1], progress=lambda modality, done: seen.append((modality, done)))
    assert seen == [(modality, n) for modality in ("image", "text") for n in range(1, 21)]


def test_an_item_of_both_splits_is_encoded_once(tiny_encoder, rows, tmp_path):
    path = tmp_path / "manifest.jsonl"
    write_manifest(path, [replace(row, splits=("query", "database")) for row in rows[:4]])
    seen = []
    report = evaluate(tiny_encoder, path, bits=[64], ks=[1], progress=lambda modality, done: seen.append(modality))
    assert seen == ["image"] * 4 + ["text"] * 4
    assert report.overlap == 4
    assert {task.map for task in report.tasks if task.task == "text->text"} != {0.0}


def test_intervals_hold_the_figures(report):
    for task in report.tasks:
        low, high = task.map_interval
        assert low <= task.map <= high
    for pairs in report.pairs:
        for k, (low, high) in pairs.hit_interval.items():
            assert low <= pairs.hit[k] <= high


def test_float_figures_are_those_of_the_logits(tiny_encoder, rows, manifest):
    """Text to image, one to one: worked out from the encoder's own logits."""
    report = evaluate(tiny_encoder, manifest, ks=[1], floats=True)
    texts = tiny_encoder.encode("text", [row.texts[0] for row in rows[:6]])
    images = tiny_encoder.encode("image", [row.image for row in rows[:6]])
    signs = np.where(images.logits > 0, 1.0, -1.0)
    unit = [v / np.linalg.norm(v, axis=1, keepdims=True) for v in (texts.logits, images.logits)]
    expected = {
        ("logits", 64): unit[0] @ unit[1].T,
        ("rescored", 32): texts.logits[:, :32] @ signs[:, :32].T,
        ("rescored", 64): texts.logits @ signs.T,
    }
    found = {(f.by, f.bits): f.hit[1] for f in report.floats if f.task == "text->image"}
    for key, scores in expected.items():
        assert found[key] == pytest.approx(np.mean(scores.argmax(axis=1) == np.arange(6))), key
    assert set(found) == {*expected, ("embedding", 48)}
    assert FLOAT_CONVENTIONS.items() <= json.loads(report.to_json())["conventions"].items()
    assert "Ranked with floats" in to_markdown(report)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param({"bits": [48]}, "48", id="length that the bundle lacks"),
        pytest.param({"bits": []}, "at least one", id="no length"),
        pytest.param({"ks": [0]}, "no k below 1", id="k of zero"),
    ],
)
def test_bad_arguments_are_refused(tiny_encoder, manifest, arguments, message):
    with pytest.raises(InputError, match=message):
        evaluate(tiny_encoder, manifest, **arguments)


def test_a_missing_split_is_named(tiny_encoder, rows, tmp_path):
    path = tmp_path / "manifest.jsonl"
    write_manifest(path, rows[6:])
    with pytest.raises(InputError, match="'query'"):
        evaluate(tiny_encoder, path)


def test_report_is_written_as_json_markdown_and_picture(report, tmp_path):
    json_path, markdown_path, picture_path = write(report, tmp_path / "new" / "folder")
    document = json.loads(json_path.read_text())
    assert document["tasks"][0]["map"] == report.tasks[0].map
    assert document["tasks"][0]["precision"]["5"] == report.tasks[0].precision[5]
    assert document["conventions"] == dict(CONVENTIONS)
    markdown = markdown_path.read_text()
    assert f"| {report.tasks[0].map:.4f} |" in markdown
    assert "McSherry" in markdown
    with Image.open(picture_path) as picture:
        assert picture.size == (1500, 600)


def test_figures_that_do_not_exist_are_null(tiny_encoder, rows, tmp_path):
    path = tmp_path / "manifest.jsonl"
    stranger = Record("stranger", texts=("odd",), labels=("odd",), splits=("query",))
    write_manifest(path, [stranger, *rows[6:]])
    report = evaluate(tiny_encoder, path, bits=[64], ks=[1])
    (task,) = [task for task in json.loads(report.to_json())["tasks"] if task["task"] == "text->image"]
    assert task["map"] is None
    assert task["queries_without_relevant"] == 1


def test_a_folder_that_cannot_be_written_is_named(report, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write the report"):
        write(report, tmp_path / "file" / "below")
