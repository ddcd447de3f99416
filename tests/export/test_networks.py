"""What the networks promise to export: raw inputs in, logits out, and one cut between frozen and trained."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from milvus_hash.errors import InputError
from milvus_hash_export.networks.backbones import RANDOM, Backbone, build_backbone
from milvus_hash_export.networks.head import HashHead
from milvus_hash_export.networks.image import ImageHash
from milvus_hash_export.networks.text import TextHash, text_width

SIZE = 64


def image_network(name="efficientnet_lite0", *, unfreeze=0, weights=RANDOM):
    backbone = build_backbone(name, weights=weights, size=SIZE)
    head = HashHead(backbone.width, 32, 16, input_dropout=0.1, dropout=0.1)
    return ImageHash(backbone, head, unfreeze=unfreeze)


def text_network(**settings):
    torch.manual_seed(0)
    head = HashHead(text_width(12, 6), 32, 16, input_dropout=0.1, dropout=0.1)
    return TextHash(torch.randn(50, 12), head, filters=6, **settings)


def pictures(n=2):
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (n, SIZE, SIZE, 3), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize("name", ["efficientnet_lite0", "resnet50"])
def test_image_gives_logits_of_raw_pixels(name):
    network = image_network(name).eval()
    with torch.inference_mode():
        logits = network(pictures())
    assert (logits.shape, logits.dtype) == ((2, 16), torch.float32)


@pytest.mark.parametrize("unfreeze", [0, 1, 2])
def test_the_cut_changes_nothing(unfreeze):
    whole = image_network().eval()
    cut = image_network(unfreeze=unfreeze).eval()
    for mine, theirs in zip(cut.parameters(), whole.parameters(), strict=True):
        mine.data.copy_(theirs.data)
    for mine, theirs in zip(cut.buffers(), whole.buffers(), strict=True):
        mine.copy_(theirs)
    with torch.inference_mode():
        assert torch.equal(cut(pictures()), whole(pictures()))
        assert cut.features(pictures()).ndim == (4 if unfreeze else 2)


def test_only_the_tail_and_the_head_learn():
    network = image_network(unfreeze=1).train()
    before = {name: value.clone() for name, value in network.named_buffers() if "frozen" in name or "tail" in name}
    network(pictures()).sum().backward()
    learning = {name.split(".")[0] for name, p in network.named_parameters() if p.grad is not None}
    assert learning == {"tail", "head"}
    assert all(torch.equal(value, dict(network.named_buffers())[name]) for name, value in before.items())


def test_imagenet_weights_are_loaded():
    """Two networks with published weights are the same network, two random ones are not."""
    backbone = build_backbone("efficientnet_lite0", size=SIZE)
    again = build_backbone("efficientnet_lite0", size=SIZE)
    other = build_backbone("efficientnet_lite0", weights=RANDOM, size=SIZE)
    assert torch.equal(backbone.units[0][0].weight, again.units[0][0].weight)
    assert not torch.equal(backbone.units[0][0].weight, other.units[0][0].weight)


def test_normalisation_is_inside():
    """White pixels reach the first unit as (255 - 127) / 128."""
    seen = ImageHash(Backbone([nn.Identity()], 3, (127.0,) * 3, (128.0,) * 3), nn.Identity())
    white = torch.full((1, 4, 4, 3), 255, dtype=torch.uint8)
    assert torch.equal(seen(white), torch.ones(1, 3))


@pytest.mark.parametrize("settings", [{"name": "alexnet"}, {"name": "resnet50", "weights": "nowhere.pt"}])
def test_what_cannot_be_built_is_named(settings):
    with pytest.raises(InputError, match=r"alexnet|nowhere\.pt"):
        build_backbone(**settings)


@pytest.mark.parametrize("length", [3, 7, 32])
def test_text_gives_logits_for_any_length(length):
    ids = torch.ones(4, length, dtype=torch.int64)
    assert text_network().eval()(ids, torch.ones_like(ids)).shape == (4, 16)


def test_padding_has_no_influence():
    network = text_network(word_dropout=0.5).eval()
    ids = torch.tensor([[5, 6, 7, 8, 0, 0, 0, 0, 0]])
    mask = (ids > 0).long()
    other = ids.clone()
    other[:, 4:] = 33
    with torch.inference_mode():
        assert torch.equal(network(ids, mask), network(other, mask))
        assert torch.allclose(network(ids, mask), network(ids[:, :6], mask[:, :6]), atol=1e-6)


def test_a_text_of_no_tokens_is_finite():
    ids = torch.zeros(1, 8, dtype=torch.int64)
    with torch.inference_mode():
        assert torch.isfinite(text_network().eval()(ids, torch.zeros_like(ids))).all()


def test_a_frozen_word_table_does_not_learn():
    assert not text_network(train_embeddings=False).embedding.weight.requires_grad
    assert text_network(train_embeddings=True).embedding.weight.requires_grad
