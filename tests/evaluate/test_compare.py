"""Several bundles and baselines in one table, on a generated manifest."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from tiny_model import COLOURS, write_tiny_bundle

from milvus_hash.encoder import Encoder
from milvus_hash.errors import InputError
from milvus_hash.evaluate.compare import compare
from milvus_hash.evaluate.plot_comparison import draw_comparison
from milvus_hash.evaluate.report import evaluate
from milvus_hash.evaluate.write_comparison import comparison_markdown, write_comparison
from milvus_hash.manifest import write_manifest
from milvus_hash.record import Record

NAMES = ("red", "green", "blue", "yellow", "white", "black")
NOUNS = ("flower", "rose", "bus", "car", "cat", "dog", "bird", "tree", "house")


@pytest.fixture(scope="module")
def encoders(tmp_path_factory):
    """Two tiny bundles; the second one lists another length."""
    folder = tmp_path_factory.mktemp("bundles")
    made = [("a", 0, (8, 64)), ("b", 1, (8, 16, 64))]
    return [
        Encoder.load(write_tiny_bundle(folder / name, bits=bits, seed=seed, name=name).path, threads=1)
        for name, seed, bits in made
    ]


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """Twelve queries and ninety items to search and to train on: noisy colours and their names."""
    folder = tmp_path_factory.mktemp("pictures")
    random = np.random.default_rng(0)
    records = []
    for number in range(102):
        name = NAMES[number % len(NAMES)]
        pixels = np.array(COLOURS[name]) + random.normal(0, 60, (8, 8, 3))
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{number}.png")
        splits = ("query",) if number < 12 else ("database", "train")
        texts = tuple(f"{name} {noun}" for noun in random.choice(NOUNS, 2, replace=False))
        records.append(Record(str(number), str(folder / f"{number}.png"), texts=texts, labels=(name,), splits=splits))
    return records


@pytest.fixture(scope="module")
def manifest(rows, tmp_path_factory):
    path = tmp_path_factory.mktemp("manifest") / "manifest.jsonl"
    write_manifest(path, rows)
    return path


@pytest.fixture(scope="module")
def comparison(encoders, manifest):
    return compare(encoders, manifest, ks=(1, 10), baselines=True)


def figures(comparison, task):
    return {(line.method, line.score.by, line.score.bits): line for line in comparison.lines if line.score.task == task}


def test_codes_have_the_figures_of_the_report_of_one_bundle(comparison, encoders, manifest):
    alone = evaluate(encoders[1], manifest, ks=(1, 10))
    lines = figures(comparison, "text->image")
    for task in alone.tasks:
        if task.task == "text->image":
            assert lines["b", "code", task.bits].score.map == task.map
    for pairs in alone.pairs:
        if pairs.task == "text->image":
            assert lines["b", "code", pairs.bits].score.hit == pairs.hit


def test_every_method_has_the_lengths_that_it_can_have(comparison):
    lengths = {}
    for method, by, bits in figures(comparison, "image->text"):
        lengths.setdefault((method, by), set()).add(bits)
    assert min(lengths.pop(("cca", "cca float"))) >= 8
    assert lengths == {
        ("a", "code"): {8, 64},
        ("a", "rescored"): {8, 64},
        ("a", "logits"): {64},
        ("a", "embedding"): {48},
        ("b", "code"): {8, 16, 64},
        ("b", "rescored"): {8, 16, 64},
        ("b", "logits"): {64},
        ("b", "embedding"): {48},
        ("cca", "code"): {8},
        ("cca-itq", "code"): {8},
        ("hyperplanes", "code"): {8, 16, 64},
        ("sign of a", "code"): {8, 16},
        ("own hyperplanes of a", "code"): {8, 16, 64},
        ("sign of b", "code"): {8, 16},
        ("own hyperplanes of b", "code"): {8, 16, 64},
    }
    assert "cca-itq has fewer numbers than 16 bits need: [16, 64] left out" in comparison.notes


def test_ratios_are_to_the_better_float_vectors(comparison):
    lines = figures(comparison, "image->text")
    best = max(lines["a", by, width].score.map for by, width in (("logits", 64), ("embedding", 48)))
    assert lines["a", "code", 8].map_of_float == pytest.approx(lines["a", "code", 8].score.map / best)
    assert math.isnan(lines["hyperplanes", "code", 8].map_of_float)


def test_fitted_baselines_find_what_the_pairs_say(comparison):
    """Six colours, each with its word: far above the sixth of the database that chance finds."""
    lines = figures(comparison, "text->image")
    for method in ("cca", "cca-itq", "hyperplanes"):
        assert lines[method, "code", 8].score.map > 0.35


def test_without_baselines_there_are_codes_only(encoders, manifest):
    table = compare(encoders, manifest, bits=[8], ks=[1])
    lines = {(line.method, line.score.by, line.score.bits) for line in table.lines}
    assert lines == {("a", "code", 8), ("b", "code", 8)}
    assert table.notes == ()


def test_bundles_of_one_name_are_told_apart(encoders, manifest):
    table = compare([encoders[0], encoders[0]], manifest, bits=[8], ks=[1])
    assert len(table.reports) == 2
    assert all(str(encoders[0].bundle.path) in name for name in table.reports)


def test_comparison_is_written(comparison, tmp_path):
    comparison = replace(comparison, lines=tuple(line for line in comparison.lines if line.score.task == "image->text"))
    paths = write_comparison(comparison, tmp_path)
    document = json.loads(paths[0].read_text())
    assert len(document["lines"]) == len(comparison.lines)
    assert document["lines"][0]["map"] == comparison.lines[0].score.map
    assert document["bundles"]["a"]["fingerprint"] == comparison.reports["a"].fingerprint
    markdown = paths[1].read_text()
    assert markdown == comparison_markdown(comparison)
    line = figures(comparison, "image->text")["b", "code", 16]
    low, high = line.score.map_interval
    assert f"{line.score.map:.3f} ({low:.3f}-{high:.3f})" in markdown
    assert f"{line.map_of_float:.3f}" in markdown
    assert all(f"**{name}**" in markdown for name in comparison.conventions)
    with Image.open(paths[2]) as picture:
        assert picture.size == (1500, 600)
    assert {path.parent.name for path in paths[3:]} == {"1-a", "2-b"}


def test_unlabelled_items_are_compared_one_to_one(encoders, rows, tmp_path):
    path = tmp_path / "manifest.jsonl"
    write_manifest(path, (Record(row.id, row.image, texts=row.texts, splits=row.splits) for row in rows))
    table = compare(encoders[:1], path, bits=[8], ks=[10], baselines=True)
    assert {line.score.task for line in table.lines} == {"image->text", "text->image", "text->text"}
    assert all(math.isnan(line.score.map) and line.score.hit[10] > 0 for line in table.lines)
    assert "mAP by labels" not in comparison_markdown(table)
    draw_comparison(table, tmp_path / "picture.png")
    with Image.open(tmp_path / "picture.png") as picture:
        assert picture.size == (1500, 1500)


def test_baselines_need_a_train_split(encoders, rows, tmp_path):
    path = tmp_path / "manifest.jsonl"
    write_manifest(path, (Record(r.id, r.image, texts=r.texts, labels=r.labels, splits=r.splits[:1]) for r in rows))
    with pytest.raises(InputError, match="'train'"):
        compare(encoders, path, baselines=True)


def test_baselines_need_both_modalities(encoders, rows, tmp_path):
    path = tmp_path / "manifest.jsonl"
    write_manifest(path, (Record(r.id, texts=r.texts, labels=r.labels, splits=r.splits) for r in rows))
    with pytest.raises(InputError, match="could be encoded: text"):
        compare(encoders, path, baselines=True)


def test_no_bundle_is_refused(manifest):
    with pytest.raises(InputError, match="no bundle"):
        compare([], manifest)
