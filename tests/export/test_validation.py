"""The validation figure and stopping for it."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from milvus_hash.codes import pack, unpack
from milvus_hash.errors import InputError
from milvus_hash_export.batches import Items
from milvus_hash_export.curves import draw_curves
from milvus_hash_export.run import load_run
from milvus_hash_export.train import train
from milvus_hash_export.validate import Validation

BITS = 16


class Given(nn.Module):
    """A method whose logits are its features."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.visual = self.text = SimpleNamespace(from_features=lambda values: values)


def make_items(visual, text, labels):
    count = len(visual)
    names = [str(i) for i in range(count)]
    one, at = torch.ones(count, dtype=torch.int64), torch.arange(count)
    return Items(names, visual[:, None].numpy(), at.numpy(), (text,), at, one, labels)


def slow_average_precision(query, items, relevant):
    """Mean over all orders of ties, by shuffling: exact enough for a few items."""
    distance = (unpack(items) != unpack(query[None])).sum(1)
    generator = np.random.default_rng(0)
    values = []
    for _ in range(3000):
        order = np.lexsort((generator.random(len(items)), distance))
        hits = relevant[order]
        values.append(np.mean([hits[: i + 1].mean() for i in np.flatnonzero(hits)]))
    return np.mean(values)


def test_the_figure_is_the_mean_of_both_directions():
    generator = torch.Generator().manual_seed(0)
    visual, text = (torch.randn(6, BITS, generator=generator) for _ in range(2))
    labels = torch.tensor([[1.0, 0], [0, 1], [1, 1], [0, 1], [0, 0], [1, 0]])
    found = Validation(make_items(visual, text, labels)).figure(Given())
    a, b = pack(visual.numpy()), pack(text.numpy())
    relevant = (labels @ labels.T > 0).numpy()
    known = [0, 1, 2, 3, 5]  # no item is relevant to one whose labels are missing
    ways = [np.mean([slow_average_precision(x[i], y, relevant[i]) for i in known]) for x, y in ((a, b), (b, a))]
    assert found == pytest.approx(np.mean(ways), abs=0.01)


def test_without_labels_partners_are_looked_for_among_the_first_ten():
    generator = torch.Generator().manual_seed(0)
    visual = torch.randn(40, 64, generator=generator)
    nothing = torch.zeros(40, 0)
    assert Validation(make_items(visual, visual, nothing)).figure(Given()) == 1.0
    assert Validation(make_items(visual, -visual, nothing)).figure(Given()) == pytest.approx(0.0)
    shared = torch.ones(40, 64)
    assert Validation(make_items(shared, shared, nothing)).figure(Given()) == pytest.approx(10 / 40)


def test_the_method_is_left_in_the_mode_it_had():
    method = Given().train()
    items = make_items(torch.ones(3, BITS), torch.ones(3, BITS), torch.ones(3, 1))
    Validation(items).figure(method)
    assert method.training


def test_one_pair_gives_no_figure():
    with pytest.raises(InputError, match="1 of the pairs to validate on"):
        Validation(make_items(torch.ones(1, BITS), torch.ones(1, BITS), torch.ones(1, 1)))


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    """Red and blue pictures: 12 to train on, 6 of split val, 4 of split query whose labels are all wrong."""
    root = tmp_path_factory.mktemp("pictures")
    rows = []
    for i in range(22):
        name = ("red", "blue")[i % 2]
        Image.new("RGB", (8, 8), name).save(root / f"{i}.png")
        split = "train" if i < 12 else "val" if i < 18 else "query"
        labels = [("blue", "red")[i % 2]] if split == "query" else [name]
        rows.append({"id": f"p{i}", "image": f"{i}.png", "text": f"{name} sheet {i}", "labels": labels, "split": split})
    path = root / "manifest.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def run(manifest, out, monkeypatch, figures, **settings):
    """Train with given validation figures."""
    sizes, waiting = [], list(figures)

    def figure(self, method):
        sizes.append(len(self._items))
        return waiting.pop(0)

    monkeypatch.setattr(Validation, "figure", figure)
    tiny = {
        "weights": "random", "image_size": 32, "bits": (8,), "hidden": 8, "filters": 2, "embedding_dim": 4,
        "text_length": 4, "batch_size": 4, "progress": False,
    }  # fmt: skip
    result = train(manifest, out, **tiny | settings)
    return result, sizes


def test_it_stops_after_patience_and_the_best_weights_are_kept(manifest, tmp_path, monkeypatch):
    figures = [0.1, 0.5, 0.4, 0.3, 0.9]
    result, sizes = run(manifest, tmp_path / "run", monkeypatch, figures, epochs=9, patience=2)
    assert (result.epochs, result.validation) == (2, 0.5)
    assert sizes == [6] * 4  # split val, not query
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [line["validation"] for line in lines] == figures[:4]
    best = torch.load(tmp_path / "run" / "best.pt", weights_only=True)
    last = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)
    name = "text.head.layers.1.weight"
    assert (best["epoch"], last["epoch"]) == (2, 4)
    assert not torch.equal(best["method"][name], last["method"][name])
    loaded = load_run(tmp_path / "run")
    assert loaded.epochs == 2
    assert torch.equal(loaded.streams["text"].state_dict()[name.removeprefix("text.")], best["method"][name])


def test_a_stopped_run_is_not_trained_further_by_resume(manifest, tmp_path, monkeypatch):
    run(manifest, tmp_path / "run", monkeypatch, [0.5, 0.4], epochs=9, patience=1)
    result = train(manifest, tmp_path / "run", resume=True, progress=False)
    assert (result.epochs, result.validation) == (1, 0.5)


def test_with_patience_to_spare_all_epochs_are_trained(manifest, tmp_path, monkeypatch):
    result, sizes = run(manifest, tmp_path / "run", monkeypatch, [0.1, 0.2, 0.15], epochs=3, patience=5)
    assert (result.epochs, len(sizes)) == (2, 3)


def test_without_patience_nothing_is_validated(manifest, tmp_path, monkeypatch):
    result, sizes = run(manifest, tmp_path / "run", monkeypatch, [], epochs=2)
    assert (result.pairs, result.epochs, result.validation, sizes) == (12, 2, None, [])
    assert not (tmp_path / "run" / "best.pt").exists()


def test_the_figure_is_drawn(tmp_path):
    log, plain, full = tmp_path / "log.jsonl", tmp_path / "a.png", tmp_path / "b.png"
    lines = [{"epoch": i + 1, "loss": 2.0 / (i + 1), "rate": 0.1, "seconds": 1.0} for i in range(4)]
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    draw_curves(log, plain)
    for line in lines[2:]:
        line |= {"validation": 0.5, "ranking": 0.3}  # a term of a later stage
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    draw_curves(log, full)
    assert plain.read_bytes() != full.read_bytes()
    Image.open(full).verify()
