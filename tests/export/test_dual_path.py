"""Dual-Path: stages, shared classes, nested codes; it overfits 64 pairs and its graphs give torch's bits."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import torch
from torch.nn.functional import normalize, one_hot

from milvus_hash import codes
from milvus_hash.bundle import ImageInput, TextInput
from milvus_hash.errors import InputError
from milvus_hash_export.config import TrainConfig
from milvus_hash_export.methods.base import Batch, Data, shared_label
from milvus_hash_export.methods.dual_path import DualPathOptions, build_dual_path
from milvus_hash_export.networks import residual_text
from milvus_hash_export.networks.backbones import BACKBONES, RANDOM, Backbone
from milvus_hash_export.networks.residual_text import STAGES
from milvus_hash_export.onnx import example_inputs, export_graph

PAIRS, LABELS, WORDS, DIM, LENGTH, SIZE = 64, 8, 300, 16, 12, 32
CHANNELS = 24
SMALL = {"width": 64, "text_scale": 1 / 16, "dropout": 0.0}


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    """A backbone of two units."""

    def build(weights, size):
        units = [torch.nn.Conv2d(3, 8, 4, stride=4), torch.nn.Conv2d(8, CHANNELS, 4, stride=4)]
        return Backbone(units, CHANNELS, (127.0,) * 3, (128.0,) * 3)

    monkeypatch.setitem(BACKBONES, "tiny", build)


def make(bits=(16, 32), *, labels=LABELS, options=None, **settings):
    torch.manual_seed(0)
    config = TrainConfig(
        method="dual-path",
        bits=bits,
        backbone="tiny",
        image_size=SIZE,
        text_length=LENGTH,
        embedding_dim=DIM,
        options=DualPathOptions(**{**SMALL, **(options or {})}),
        **settings,
    )
    data = Data("image", PAIRS, labels, torch.randn(WORDS, DIM))
    return build_dual_path(config, data, weights=RANDOM)


def batch(labels=LABELS):
    """Random images and texts: nothing but memory links them to each other and to their labels."""
    torch.manual_seed(1)
    length = torch.randint(2, LENGTH + 1, (PAIRS, 1))
    mask = (torch.arange(LENGTH) < length).long()
    ids = torch.randint(1, WORDS, (PAIRS, LENGTH)) * mask
    told = one_hot(torch.arange(PAIRS) % LABELS, LABELS).float() if labels else torch.zeros(PAIRS, 0)
    return Batch(torch.randn(PAIRS, CHANNELS), (ids, mask), told, torch.arange(PAIRS))


def fit(method, data, epochs=120):
    parameters = [p for p in method.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(parameters, lr=5e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 5e-3, total_steps=epochs)
    for epoch in range(epochs):
        method.train().start_epoch(epoch, epochs)
        optimiser.zero_grad()
        method(data)["loss"].backward()
        optimiser.step()
        schedule.step()
    return encode(method, data)


def encode(method, data):
    """Logits of both modalities."""
    method.eval()
    with torch.inference_mode():
        return method.visual.from_features(data.visual), method.text.from_features(*data.text)


def mean_average_precision(u, v, similar):
    """Of codes by their Hamming distance; a tie counts against us."""
    found = []
    for scores, relevant in zip(torch.sign(u) @ torch.sign(v).T, similar > 0, strict=True):
        order = sorted(range(len(scores)), key=lambda j: (-scores[j].item(), relevant[j].item()))
        hits = [rank for rank, j in enumerate(order, 1) if relevant[j]]
        found.append(sum(n / rank for n, rank in enumerate(hits, 1)) / len(hits))
    return sum(found) / len(found)


def test_overfits_64_pairs_by_label():
    data = batch()
    u, v = fit(make(options={"classes": "labels"}), data)
    for length in (16, 32):
        assert_found(u[:, :length], v[:, :length], shared_label(data.labels))


def test_overfits_64_pairs_one_to_one():
    """Without labels, each pair a class of its own: its codes and its float vectors find their partners."""
    method, data = make(bits=(64, 128), labels=0, options={"width": 256, "text_scale": 1 / 8}), batch(labels=0)
    u, v = fit(method, data, epochs=200)
    for length in (64, 128):
        assert_found(u[:, :length], v[:, :length], torch.eye(PAIRS))
    with torch.inference_mode():
        f, g = normalize(method.visual.embed(data.visual)), normalize(method.text.embed(*data.text))
    assert ((f @ g.T).argmax(1) == torch.arange(PAIRS)).float().mean() > 0.99


def assert_found(u, v, similar):
    assert mean_average_precision(u, v, similar) > 0.99
    assert mean_average_precision(v, u, similar) > 0.99


def test_the_first_stage_is_the_instance_loss_only():
    method = make(options={"visual_weight": 2.0, "textual_weight": 0.5, "ranking_weight": 3.0, "code_weight": 0.25})
    stages = []
    for epoch in range(8):
        method.start_epoch(epoch, 8)
        stages.append(method.second_stage)
    assert stages == [False] * 6 + [True] * 2  # 0.75 of them
    method.eval()
    for second, (visual, textual, ranked) in ((False, (1.0, 1.0, 0.0)), (True, (2.0, 0.5, 3.0))):
        method.second_stage = second
        with torch.inference_mode():
            t = {name: float(term) for name, term in method(batch()).items()}
        total = 0.05 * t["quantisation"] + t["balance"]
        for weight, name in ((visual, "visual"), (textual, "textual"), (ranked, "ranking")):
            total += weight * (t[name] + 0.25 * t[f"code_{name}"])
        assert t["loss"] == pytest.approx(total, rel=1e-5)


def test_the_backbone_rests_in_the_first_stage():
    method = make(unfreeze=1)
    tail = list(method.pretrained())
    assert len(tail) == 2
    assert all(p.requires_grad for p in tail)  # so that the optimiser takes them
    for epoch, learns in ((0, False), (9, True), (1, False)):
        method.start_epoch(epoch, 10)
        assert all(p.requires_grad == learns for p in tail)


def test_the_shared_classes_learn_from_both_paths():
    method, data = make(options={"classes": "both"}), batch()
    method.train().start_epoch(0, 10)
    for path, other in (("visual", "textual"), ("textual", "visual")):
        method.zero_grad()
        method(data)[path].backward()
        for weight in (method.feature_classes.item, method.feature_classes.label):
            assert weight.grad.abs().sum() > 0
        silent = method.text if other == "textual" else method.visual
        assert all(p.grad is None or not p.grad.abs().sum() for p in silent.parameters())


@pytest.mark.parametrize(
    ("classes", "labels", "kinds"),
    [("item", LABELS, (True, False)), ("labels", LABELS, (False, True)), ("both", 0, (True, False))],
)
def test_what_the_classes_are(classes, labels, kinds):
    method = make(labels=labels, options={"classes": classes})
    for loss in (method.feature_classes, method.code_classes):
        assert (loss.item is not None, loss.label is not None) == kinds


def test_only_other_labels_are_negatives_where_labels_are_the_classes():
    """With one label for all pairs nothing is left to rank."""
    data = batch()
    same = Batch(data.visual, data.text, torch.ones(PAIRS, LABELS), data.items)
    with torch.inference_mode():
        assert make(options={"classes": "labels"}).eval()(same)["ranking"] == 0
        assert make(options={"classes": "item"}).eval()(same)["ranking"] > 0


def test_rows_without_labels_carry_on():
    data = batch()
    data.labels[::2] = 0
    for classes in ("item", "labels", "both"):
        terms = make(options={"classes": classes}).train()(data)
        terms["loss"].backward()
        assert all(torch.isfinite(term) for term in terms.values())


def test_labels_as_classes_need_labels():
    with pytest.raises(InputError, match="classes is 'labels'"):
        make(labels=0, options={"classes": "labels"})


@pytest.mark.parametrize(
    "options",
    [{"classes": "people"}, {"width": 0}, {"positions": 0}, {"text_scale": 0.0}, {"dropout": 1.0}, {"stage_one": 1.5}],
)
def test_options_that_cannot_be(options):
    with pytest.raises(InputError, match=next(iter(options))):
        DualPathOptions(**options)


def test_the_word_table_starts_at_the_lower_rate_and_baselines_keep_the_first_one():
    method = make(train_embeddings=True)
    table = method.text.trunk.words.embedding.weight
    assert any(p is table for p in method.pretrained())
    assert method.text.pooled.embedding.weight is not table
    assert not make().pretrained()


@pytest.mark.parametrize(("modality", "positions"), [("image", 1), ("text", 1), ("text", 3)])
def test_onnxruntime_gives_torchs_bits(tmp_path, monkeypatch, modality, positions):
    if positions > 1:  # fewer blocks, the graph holds them once for each position
        monkeypatch.setattr(residual_text, "STAGES", STAGES[-1:])
    method, data = make(bits=(64,), options={"positions": positions}), batch()
    fit(method, data, epochs=2)  # so that the statistics of batch normalisation are no longer 0 and 1
    stream, path = method.streams[modality].eval(), tmp_path / "graph.onnx"
    target, values = raw_inputs(modality, data)
    export_graph(stream, example_inputs(target), path)
    session = onnxruntime.InferenceSession(str(path))
    for n in (1, 5):
        some = {name: value[:n] for name, value in values.items()}
        code, logits, embedding = session.run(["code", "logits", "embedding"], some)
        with torch.inference_mode():
            features = stream.features(*(torch.from_numpy(value) for value in some.values()))
            expected, vectors = stream.from_features(*features).numpy(), stream.embed(*features).numpy()
        assert np.allclose(logits, expected, atol=1e-4)
        assert np.allclose(embedding, vectors, atol=1e-4)
        assert np.array_equal(code, codes.pack(logits))
        sure = abs(expected) > 1e-3
        assert np.array_equal(codes.unpack(code)[sure], (expected > 0)[sure])


def raw_inputs(modality, data):
    """What the graph takes, and a batch of it: images, or texts of which the first has no words."""
    if modality == "image":
        pixels = np.random.default_rng(0).integers(0, 256, (7, SIZE, SIZE, 3), dtype=np.uint8)
        return ImageInput(SIZE), {"image": pixels}
    ids, mask = (tensor.numpy().copy() for tensor in data.text)
    mask[0] = 0
    return TextInput(LENGTH), {"input_ids": ids, "attention_mask": mask}
