"""What the networks promise to export: raw inputs in, logits out, and one cut between frozen and trained."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from milvus_hash.errors import InputError
from milvus_hash_export.config import TrainConfig
from milvus_hash_export.networks.backbones import RANDOM, Backbone, build_backbone
from milvus_hash_export.networks.head import HashHead
from milvus_hash_export.networks.image import FixedStatistics, Pool, build_image_parts, cut
from milvus_hash_export.networks.stream import Stream
from milvus_hash_export.networks.text import TextCNN, WordAverage

SIZE = 64
UNITS = 18  # of EfficientNet-Lite0


def image_stream(name="efficientnet_lite0", unfreeze=0):
    parts = build_image_parts(TrainConfig(backbone=name, image_size=SIZE, unfreeze=unfreeze), RANDOM)
    head = HashHead(parts.width, 32, 16, input_dropout=0.1, dropout=0.1)
    return Stream(parts.frozen, parts.trunk, head, pooled=parts.pooled, signature=parts.signature), parts


def text_trunk(**settings):
    torch.manual_seed(0)
    return TextCNN(torch.randn(50, 12), filters=6, **settings)


def pictures(n=2):
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (n, SIZE, SIZE, 3), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize("name", ["efficientnet_lite0", "resnet50"])
def test_image_gives_logits_of_raw_pixels(name):
    stream = image_stream(name)[0].eval()
    with torch.inference_mode():
        logits = stream(pictures())
    assert (logits.shape, logits.dtype) == ((2, 16), torch.float32)


@pytest.mark.parametrize(("unfreeze", "shape"), [(0, 2), (1, 4), (2, 4), (UNITS, 4)])
def test_the_cut_changes_nothing(unfreeze, shape):
    whole, mine = image_stream()[0].eval(), image_stream(unfreeze=unfreeze)[0].eval()
    for own, theirs in zip(mine.parameters(), whole.parameters(), strict=True):
        own.data.copy_(theirs.data)
    for own, theirs in zip(mine.buffers(), whole.buffers(), strict=True):
        own.copy_(theirs)
    with torch.inference_mode():
        assert torch.allclose(mine(pictures()), whole(pictures()), atol=1e-6)
        (features,) = mine.features(pictures())
        assert features.ndim == shape
        assert mine.pooled(features).ndim == 2


def test_with_every_unit_unfrozen_the_features_are_the_pixels():
    stream, parts = image_stream(unfreeze=UNITS)
    assert torch.equal(stream.features(pictures())[0], pictures())
    assert not list(stream.frozen.parameters())
    assert len(parts.pretrained) == len(list(stream.trunk.parameters())) > 100


@pytest.mark.parametrize("unfreeze", [-1, UNITS + 1])
def test_a_cut_that_there_is_not_is_refused(unfreeze):
    with pytest.raises(InputError, match=f"unfreeze is {unfreeze}; this backbone allows 0 to {UNITS}"):
        cut(build_backbone("efficientnet_lite0", weights=RANDOM, size=SIZE), unfreeze)


def test_only_the_tail_and_the_head_learn_and_statistics_stay():
    stream, _ = image_stream(unfreeze=1)
    stream.train()
    before = {name: value.clone() for name, value in stream.named_buffers() if not name.startswith("head")}
    stream(pictures()).sum().backward()
    learning = {name.split(".")[0] for name, p in stream.named_parameters() if p.grad is not None}
    assert learning == {"trunk", "head"}
    assert all(torch.equal(value, dict(stream.named_buffers())[name]) for name, value in before.items())


def test_fixed_statistics_stay_in_evaluation_mode():
    layers = nn.Sequential(FixedStatistics(nn.BatchNorm1d(3)), nn.BatchNorm1d(3)).train()
    assert [layers[0].training, layers[0][0].training, layers[1].training] == [False, False, True]


def test_imagenet_weights_are_loaded():
    """Two networks with published weights are the same network, two random ones are not."""
    backbone = build_backbone("efficientnet_lite0", size=SIZE)
    again = build_backbone("efficientnet_lite0", size=SIZE)
    other = build_backbone("efficientnet_lite0", weights=RANDOM, size=SIZE)
    assert torch.equal(backbone.units[0][0].weight, again.units[0][0].weight)
    assert not torch.equal(backbone.units[0][0].weight, other.units[0][0].weight)


def test_normalisation_is_inside():
    """White pixels reach the first unit as (255 - 127) / 128."""
    frozen, tail = cut(Backbone([nn.Identity()], 3, (127.0,) * 3, (128.0,) * 3), 0)
    white = torch.full((1, 4, 4, 3), 255, dtype=torch.uint8)
    assert torch.equal(Pool()(tail(frozen(white))), torch.ones(1, 3))


@pytest.mark.parametrize("settings", [{"name": "alexnet"}, {"name": "resnet50", "weights": "nowhere.pt"}])
def test_what_cannot_be_built_is_named(settings):
    with pytest.raises(InputError, match=r"alexnet|nowhere\.pt"):
        build_backbone(**settings)


@pytest.mark.parametrize("length", [1, 3, 7, 32])
@pytest.mark.parametrize("average", [True, False])
def test_text_gives_embeddings_for_any_length(length, average):
    ids = torch.ones(4, length, dtype=torch.int64)
    trunk = text_trunk(average=average).eval()
    assert trunk.width == 18 + 12 * average
    assert trunk(ids, torch.ones_like(ids)).shape == (4, trunk.width)


def test_padding_has_no_influence():
    trunk = text_trunk(word_dropout=0.5).eval()
    ids = torch.tensor([[5, 6, 7, 8, 0, 0, 0, 0, 0]])
    mask = (ids > 0).long()
    other = ids.clone()
    other[:, 4:] = 33
    for network in (trunk, WordAverage(trunk.embedding)):
        with torch.inference_mode():
            assert torch.equal(network(ids, mask), network(other, mask))
            assert torch.allclose(network(ids, mask), network(ids[:, :6], mask[:, :6]), atol=1e-6)


def test_the_average_is_that_of_the_words():
    trunk = text_trunk()
    ids, mask = torch.tensor([[4, 9, 2]]), torch.tensor([[1, 1, 0]])
    expected = trunk.embedding.weight[[4, 9]].mean(0, keepdim=True)
    assert torch.allclose(WordAverage(trunk.embedding)(ids, mask), expected, atol=1e-6)
    assert torch.allclose(trunk.eval()(ids, mask)[:, 18:], expected, atol=1e-6)


def test_a_text_of_no_tokens_is_finite():
    ids = torch.zeros(1, 8, dtype=torch.int64)
    with torch.inference_mode():
        assert torch.isfinite(text_trunk().eval()(ids, torch.zeros_like(ids))).all()


def test_a_frozen_word_table_does_not_learn():
    assert not text_trunk(train_embeddings=False).embedding.weight.requires_grad
    assert text_trunk(train_embeddings=True).embedding.weight.requires_grad
