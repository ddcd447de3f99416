"""TVDB as a whole: it learns, its graphs give torch's bits, and it trains on a manifest."""

from __future__ import annotations

import json

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image
from torch import nn

from milvus_hash.bundle import ImageInput, TextInput
from milvus_hash.codes import pack
from milvus_hash.errors import InputError
from milvus_hash_export.config import load_config
from milvus_hash_export.losses.batch_codes import PLAIN
from milvus_hash_export.methods.base import Batch, Data, shared_label
from milvus_hash_export.methods.tvdb import TVDB, TVDBOptions, build_tvdb
from milvus_hash_export.networks.backbones import BACKBONES, RANDOM, Backbone
from milvus_hash_export.networks.head import HashHead
from milvus_hash_export.networks.region_lstm import RegionLSTM
from milvus_hash_export.networks.regions import WholePicture
from milvus_hash_export.networks.stream import Stream
from milvus_hash_export.networks.text import TextCNN, WordAverage
from milvus_hash_export.onnx import example_inputs, export_graph
from milvus_hash_export.run import load_run
from milvus_hash_export.train import train

PAIRS, CLASSES, STEPS, WIDTH, SIZE = 64, 8, 4, 12, 32


@pytest.fixture(autouse=True)
def tiny_backbone(monkeypatch):
    """A backbone of two units, ``tiny``."""

    def build(weights, size):
        torch.manual_seed(3)
        units = [nn.Sequential(nn.Conv2d(3, 8, 3, 4), nn.ReLU()), nn.Sequential(nn.Conv2d(8, 10, 3), nn.ReLU())]
        return Backbone(units, 10, (127.0,) * 3, (64.0,) * 3)

    monkeypatch.setitem(BACKBONES, "tiny", build)


def head(width, bits):
    return HashHead(width, 64, bits, input_dropout=0.0, dropout=0.0)


def small(bits=(16,), **options):
    """Both streams on features of regions and on words."""
    torch.manual_seed(0)
    lstm, words = RegionLSTM(WIDTH, 16), TextCNN(torch.randn(200, 16), filters=8, average=False)
    visual = Stream(None, lstm, head(32, bits[-1]), pooled=WholePicture(), signature="")
    text = Stream(None, words, head(words.width, bits[-1]), pooled=WordAverage(words.embedding), signature="")
    return TVDB(visual, text, bits=bits, options=TVDBOptions(**options)).train()


def data():
    """Random regions and words: nothing but memory links them to their labels."""
    torch.manual_seed(1)
    ids = torch.randint(1, 200, (PAIRS, 6))
    labels = nn.functional.one_hot(torch.arange(PAIRS) % CLASSES, CLASSES).float()
    return Batch(torch.randn(PAIRS, STEPS, WIDTH + 4), (ids, torch.ones_like(ids)), labels, torch.arange(PAIRS))


def fit(method, batch, steps=150):
    optimiser = torch.optim.AdamW(method.parameters(), lr=0.01)
    for _ in range(steps):
        optimiser.zero_grad()
        method(batch)["loss"].backward()
        optimiser.step()
    method.eval()
    with torch.inference_mode():
        u, v = method.visual.from_features(batch.visual), method.text.from_features(*batch.text)
    return torch.sign(u), torch.sign(v)


def mean_average_precision(queries, items, similar):
    """By Hamming distance; equal distances count as wrongly ordered as they can be."""
    order = (queries @ items.T - 0.5 * similar).argsort(dim=1, descending=True)
    found = similar.gather(1, order)
    precision = found.cumsum(1) / torch.arange(1, len(items) + 1)
    return float(((precision * found).sum(1) / found.sum(1)).mean())


@pytest.mark.parametrize("options", [{}, {"pair_weight": 0.01}], ids=["default", "own pair"])
def test_overfits_64_pairs(options):
    batch = data()
    u, v = fit(small((16, 64), **options), batch)
    similar = shared_label(batch.labels)
    for length in (16, 64):
        for one, other in ((u, v), (v, u)):
            assert mean_average_precision(one[:, :length], other[:, :length], similar) > 0.99


def test_the_objective_of_the_paper_alone_makes_the_modalities_opposite():
    """What the repulsion and the centred similarities are for; docs/methods/tvdb.md."""
    batch = data()
    u, v = fit(small(similarity=PLAIN, repulsion=0.0), batch)
    assert len(u.unique(dim=0)) < CLASSES
    assert float((u * v).mean()) < -0.5  # a picture and its own text


def test_the_loss_is_the_weighted_sum_of_its_terms():
    method = small((8, 16), eta=0.25, repulsion=3.0, pair_weight=0.5)
    terms = method(data())
    weights = {"agreement": 1.0, "redundancy": 3.0, "image": 0.25, "text": 0.25, "pair": 0.5}
    assert set(terms) == {"loss", *weights}
    total = sum(weight * terms[name].item() for name, weight in weights.items())
    assert terms["loss"].item() == pytest.approx(total, rel=1e-5)
    assert not terms["agreement"].requires_grad
    assert not terms["redundancy"].requires_grad


def settings(**values):
    tiny = {"backbone": "tiny", "weights": RANDOM, "image_size": SIZE, "bits": (8, 16), "embedding_dim": 6}
    return load_config(**({"method": "tvdb", "text_length": 7, "lstm": 6, "hidden": 9, "filters": 4} | tiny | values))


def built(**values):
    torch.manual_seed(0)
    config = settings(**values)
    method = build_tvdb(config, Data("image", PAIRS, CLASSES, torch.randn(50, 6)), weights=RANDOM)
    for module in method.modules():  # statistics that differ between the bits, as after training
        if isinstance(module, nn.BatchNorm1d):
            nn.init.normal_(module.running_mean, std=0.01)
            nn.init.constant_(module.running_var, 0.01)
    return method.eval()


def pictures(n=3, size=SIZE):
    return torch.randint(0, 256, (n, size, size, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(n))


def words(n=3):
    rng = np.random.default_rng(n)
    mask = (np.arange(7) < rng.integers(0, 8, (n, 1))).astype(np.int64)
    return torch.from_numpy(rng.integers(0, 50, (n, 7)) * mask), torch.from_numpy(mask)


@pytest.mark.parametrize(
    ("modality", "values"),
    [
        pytest.param("image", {}, id="grid"),
        pytest.param("image", {"unfreeze": 1}, id="half learns"),
        pytest.param("image", {"regions": "rpn", "region_count": 2}, id="rpn"),
        pytest.param("text", {"word_average": True}, id="text"),
    ],
)
def test_the_graph_gives_the_bits_of_torch(modality, values, tmp_path):
    stream = built(**values).streams[modality]
    target = ImageInput(SIZE) if modality == "image" else TextInput(7)
    export_graph(stream, example_inputs(target), tmp_path / "x.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "x.onnx")
    for n in (1, 5):
        inputs = (pictures(n),) if modality == "image" else words(n)
        if modality == "image":
            inputs[0][0] = 255  # a blank picture
        with torch.inference_mode():
            expected = stream(*inputs).numpy()
        names = [i.name for i in session.get_inputs()]
        code, logits = session.run(["code", "logits"], dict(zip(names, (i.numpy() for i in inputs), strict=True)))
        assert np.abs(logits - expected).max() < 1e-3
        assert np.array_equal(code, pack(expected))


@pytest.mark.parametrize("regions", ["grid", "boxes"])
def test_what_is_cached_is_a_sequence_of_regions(regions):
    stream = built(regions=regions, region_count=3).visual
    (features,) = stream.features(pictures(2))
    assert features.shape == (2, 4, 10 + 4)
    assert stream.pooled(features).shape == (2, 10)
    assert torch.equal(stream.from_features(features), stream(pictures(2)))


def test_boxes_change_the_regions_and_items_without_any_have_windows():
    stream = built(regions="boxes", region_count=3).visual
    assert stream.takes_boxes
    assert not built().visual.takes_boxes
    boxes = torch.tensor([[[0.1, 0.1, 0.3, 0.5]], [[0.0] * 4]])
    with torch.inference_mode():
        (given,), (grid,) = stream.features(pictures(2), boxes), stream.features(pictures(2))
    assert given[0, 0, -4:].tolist() == pytest.approx([0.2, 0.3, 0.2, 0.4])
    assert torch.equal(given[1], grid[1])


@pytest.mark.parametrize("unfreeze", [1, 2])
def test_the_tail_learns_through_the_regions(unfreeze):
    method = built(unfreeze=unfreeze).train()
    (features,) = method.visual.features(pictures(4))
    method.visual.from_features(features).square().sum().backward()
    assert len(list(method.pretrained())) == 2 * unfreeze
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in method.pretrained())


def test_the_cut_changes_nothing():
    whole, cut = built(), built(unfreeze=1)
    cut.visual.trunk[1].load_state_dict(whole.visual.trunk.state_dict())
    cut.visual.head.load_state_dict(whole.visual.head.state_dict())
    with torch.inference_mode():
        assert torch.allclose(whole.visual(pictures()), cut.visual(pictures()), atol=1e-5)


def test_masked_words_have_no_influence():
    stream = built().text
    ids, mask = words(4)
    other = torch.where(mask == 1, ids, 33)
    with torch.inference_mode():
        assert torch.equal(stream(ids, mask), stream(other, mask))
        assert torch.isfinite(stream(ids, torch.zeros_like(mask))).all()


def test_word_order_counts():
    stream = built().text
    ids = torch.tensor([[5, 6, 7, 8, 9, 10, 11]])
    with torch.inference_mode():
        assert not torch.allclose(stream(ids, torch.ones_like(ids)), stream(ids.flip(1), torch.ones_like(ids)))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"regions": "faces"}, "regions is 'faces'; one of grid, rpn, boxes"),
        ({"similarity": "cosine"}, "similarity is 'cosine'; one of centred, plain"),
        ({"region_count": 0}, "region_count is 0; at least 1"),
        ({"eta": 0.0}, "eta is 0.0; more than 0"),
        ({"repulsion": -1.0}, "repulsion is -1.0; at least 0"),
        ({"dropout": 1.0}, "dropout is 1.0; a share"),
        ({"region_overlap": -0.1}, "region_overlap is -0.1; a share"),
        ({"region_count": 39}, "region_count is 39; the grid has 38 windows"),
        ({"regions": "boxes", "unfreeze": 1}, "unfreeze is 1 and regions is 'boxes'"),
        ({"unfreeze": 3}, "unfreeze is 3; this backbone allows 0 to 2"),
    ],
)
def test_what_cannot_be_trained_is_named(values, message):
    with pytest.raises(InputError, match=message):
        built(**values)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    """Pictures of a square on white, with its box, its colour as label, and words."""
    root = tmp_path_factory.mktemp("squares")
    rows = []
    for i, (colour, pixel) in enumerate([("red", (220, 30, 30)), ("green", (30, 200, 30))] * 6):
        picture = Image.new("RGB", (40, 40), "white")
        picture.paste(pixel, (i, i, i + 20, i + 20))
        picture.save(root / f"{i}.png")
        box = [i / 40, i / 40, (i + 20) / 40, (i + 20) / 40]
        rows.append({"id": f"p{i}", "image": f"{i}.png", "text": f"a {colour} square", "labels": [colour]})
        rows[-1]["boxes"] = [[box], [], [[-1, -1, 2, 2], box]][i % 3]
    path = root / "manifest.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("regions", ["grid", "boxes"])
def test_trains_on_a_manifest_and_comes_back(regions, manifest, tmp_path):
    tiny = {"backbone": "tiny", "weights": RANDOM, "image_size": SIZE, "resize": "squash", "text_length": 7}
    small = {"bits": (8, 16), "embedding_dim": 6, "lstm": 6, "hidden": 9, "filters": 4, "epochs": 2, "batch_size": 6}
    result = train(manifest, tmp_path / "run", method="tvdb", regions=regions, progress=False, **tiny, **small)
    assert (result.pairs, result.rejected) == (12, 0)
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert {"agreement", "redundancy", "image", "text", "loss"} <= set(log[-1])
    run = load_run(tmp_path / "run")
    assert run.config.options.regions == regions
    with torch.inference_mode():
        assert torch.isfinite(run.streams["image"](pictures())).all()
