"""Text-guided fusion's parts: the decoder, the score maps, the image trunk that must not look beside itself."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from milvus_hash_export.networks.decoder import CrossAttention, DecoderLayer, TextDecoder
from milvus_hash_export.networks.guided import GuidedImage, Imagination, Tokens
from milvus_hash_export.networks.score_map import PairScores, batch_scores, score_map, scored_average

WIDTH, HEADS, SPACE = 12, 3, 8


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def trunk(dropout=0.0, gamma=None):
    torch.manual_seed(0)
    network = GuidedImage(
        nn.Sequential(),
        width=WIDTH,
        space=SPACE,
        imagine=Imagination(WIDTH, SPACE, prototypes=5, hidden=16, dropout=dropout),
        decoder=TextDecoder(SPACE, width=12, layers=2, heads=3, dropout=dropout),
        temperature=0.1,
    )
    if gamma is not None:
        nn.init.constant_(network.gamma, gamma)
        for linear in (m for m in network.decoder.modules() if isinstance(m, nn.Linear)):
            nn.init.normal_(linear.weight, std=0.3)  # the starting weights are too small to see anything
    return network.eval()


@torch.inference_mode()
def test_cross_attention_is_the_one_of_the_paper():
    attention = CrossAttention(WIDTH, HEADS)
    queries, memory = random(2, 3, WIDTH), random(2, 5, WIDTH, seed=1)
    q, k, v = attention.query(queries), attention.key(memory), attention.value(memory)
    read = torch.zeros(2, 3, WIDTH)
    size = WIDTH // HEADS
    for n in range(2):
        for i in range(3):
            for head in range(HEADS):
                own = slice(head * size, (head + 1) * size)
                weights = torch.stack([q[n, i, own] @ k[n, j, own] / math.sqrt(size) for j in range(5)]).softmax(0)
                read[n, i, own] = sum(weights[j] * v[n, j, own] for j in range(5))
    assert torch.allclose(attention(queries, memory), attention.out(read), atol=1e-5)


@torch.inference_mode()
def test_a_layer_equals_torchs_without_self_attention():
    torch.manual_seed(0)
    mine = DecoderLayer(WIDTH, HEADS, dropout=0.0)
    theirs = nn.TransformerDecoderLayer(
        WIDTH, HEADS, 4 * WIDTH, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
    )
    nn.init.zeros_(theirs.self_attn.out_proj.weight)  # torch's layer has one more sub-layer, which then adds nothing
    parts = (mine.attention.query, mine.attention.key, mine.attention.value)
    theirs.multihead_attn.in_proj_weight.copy_(torch.cat([p.weight for p in parts]))
    biases = [mine.attention.query.bias, torch.ones(WIDTH), mine.attention.value.bias]  # any bias of the keys cancels
    theirs.multihead_attn.in_proj_bias.copy_(torch.cat(biases))
    theirs.multihead_attn.out_proj.load_state_dict(mine.attention.out.state_dict())
    theirs.linear1.load_state_dict(mine.mlp[1].state_dict())
    theirs.linear2.load_state_dict(mine.mlp[4].state_dict())
    queries, memory = random(2, 3, WIDTH), random(2, 5, WIDTH, seed=1)
    assert torch.allclose(mine(queries, memory), theirs(queries, memory), atol=1e-5)


@torch.inference_mode()
def test_score_map_is_the_cosine_of_every_place_and_text():
    places, texts = random(2, 6, SPACE), random(2, 3, SPACE, seed=1)
    scores = score_map(places, texts)
    assert scores.shape == (2, 3, 6)
    for n in range(2):
        for k in range(3):
            for p in range(6):
                z, t = places[n, p], texts[n, k]
                assert float(scores[n, k, p]) == pytest.approx(float(z @ t / (z.norm() * t.norm())), abs=1e-5)


@torch.inference_mode()
def test_scored_average_weighs_the_places():
    places, scores = random(2, 6, SPACE), random(2, 3, 6, seed=1)
    average = scored_average(places, scores, 0.5)
    weights = torch.exp(scores[1, 2] / 0.5)
    expected = sum(w * z for w, z in zip(weights / weights.sum(), places[1], strict=True))
    assert torch.allclose(average[1, 2], expected, atol=1e-5)
    best = scored_average(places, scores, 1e-3)[1, 2]
    assert torch.allclose(best, places[1, scores[1, 2].argmax()], atol=1e-2)


@torch.inference_mode()
def test_batch_scores_are_a_smooth_maximum_over_the_places():
    places, texts = random(3, 6, SPACE), random(4, SPACE, seed=1)
    scores = batch_scores(places, texts, 0.2)
    assert scores.shape == (3, 4)
    cosines = score_map(places[:1], texts[None])[0]  # of the first image with every text
    for j in range(4):
        expected = 0.2 * math.log(sum(math.exp(float(c) / 0.2) for c in cosines[j]) / 6)
        assert float(scores[0, j]) == pytest.approx(expected, abs=1e-5)
    assert torch.allclose(batch_scores(places, texts, 1e-3)[0], cosines.amax(1), atol=5e-3)


@torch.inference_mode()
def test_pair_scores_tell_related_from_unrelated_pairs():
    loss = PairScores(0.1)
    places = torch.eye(4)[:, None].repeat(1, 3, 1)  # every place of image i is text i
    similar = torch.eye(4)
    right = loss(places, torch.eye(4), similar)
    wrong = loss(places, torch.eye(4).roll(1, 0), similar)
    assert float(right) < float(wrong) / 2
    expected = nn.functional.binary_cross_entropy_with_logits(torch.eye(4) / 0.1, similar)
    assert float(right) == pytest.approx(float(expected), abs=1e-5)


@torch.inference_mode()
def test_tokens_of_a_map_are_its_average_and_its_places():
    features = random(2, 4, 2, 3)
    tokens = Tokens()(features)
    assert tokens.shape == (2, 7, 4)
    assert torch.allclose(tokens[:, 0], features.mean((2, 3)))
    assert torch.equal(tokens[1, 1 + 3 + 2], features[1, :, 1, 2])
    assert torch.equal(Tokens()(tokens), tokens)


@torch.inference_mode()
def test_the_gate_starts_near_identity():
    network, texts, tokens = trunk(), random(2, 3, SPACE), random(2, 5, WIDTH, seed=1)
    assert torch.allclose(network.guide(tokens, texts).texts, texts, atol=1e-3)
    assert not torch.equal(network.guide(tokens, texts).texts, texts)
    assert not torch.allclose(trunk(gamma=1.0).guide(tokens, texts).texts, texts, atol=0.1)


@torch.inference_mode()
def test_an_imagined_text_is_a_mix_of_the_prototypes():
    torch.manual_seed(0)
    imagine = Imagination(WIDTH, SPACE, prototypes=2, hidden=16, dropout=0.0)
    first, second = imagine.prototypes
    for text in imagine(random(5, WIDTH)):
        share = (text - second) @ (first - second) / (first - second).square().sum()
        assert 0 < share < 1
        assert torch.allclose(text, share * first + (1 - share) * second, atol=1e-5)


@torch.inference_mode()
def test_a_text_sees_its_own_image_only():
    """Neither the other texts of a call nor the other images change what a text makes of an image."""
    network = trunk(gamma=1.0)
    tokens, texts = random(3, 5, WIDTH), random(3, 2, SPACE, seed=1)
    together = network.guide(tokens, texts).embedding
    alone = network.guide(tokens[1:2], texts[1:2, :1]).embedding
    assert torch.allclose(together[1, 0], alone[0, 0], atol=1e-5)
    assert not torch.allclose(together[1, 0], together[1, 1], atol=1e-2)  # the text does matter


@torch.inference_mode()
def test_the_image_alone_is_guided_by_what_it_imagines():
    network, tokens = trunk(gamma=1.0), random(3, 5, WIDTH)
    imagined = network.imagine(tokens[:, 0])
    assert torch.allclose(network(tokens), network.guide(tokens, imagined[:, None]).embedding[:, 0], atol=1e-6)
    assert network(tokens).shape == (3, network.width)
