"""The residual text CNN: the paper's table, left padding, position shift."""

from __future__ import annotations

import pytest
import torch

from milvus_hash_export.networks.residual_text import STAGES, ResidualBlock, ResidualText, shifted

WORDS, LENGTH = 40, 32


def network(**settings):
    torch.manual_seed(0)
    net = ResidualText(torch.randn(WORDS, 12), **{"scale": 1 / 32, **settings})
    for module in net.modules():
        if isinstance(module, ResidualBlock):
            awake(module)
    return net


def awake(block):
    """A block as training makes it: it starts as its shortcut."""
    torch.nn.init.ones_(block.path[-1].weight)
    return block


def texts(*lengths, length=LENGTH):
    """Random words, right-padded."""
    ids = torch.randint(1, WORDS, (len(lengths), length), generator=torch.Generator().manual_seed(1))
    mask = (torch.arange(length) < torch.tensor(lengths).unsqueeze(1)).long()
    return ids * mask, mask


def test_widths_and_places_of_the_papers_table():
    """Lengths 32, 16, 8, 8; widths 256 to 2,048; blocks 3, 4, 6, 1, the first of each with a wider middle."""
    net = ResidualText(torch.randn(5, 300), scale=1.0).eval()
    x = torch.zeros(1, 300, LENGTH)
    shapes, middles = [], []
    with torch.inference_mode():
        for stage in net.stages:
            x = stage(x)
            shapes.append((len(stage), *x.shape[1:]))
            middles.append([block.path[0].out_channels for block in stage])
    assert shapes == [(3, 256, 32), (4, 512, 16), (6, 1024, 8), (1, 2048, 8)]
    assert middles == [[128, 64, 64], [512, 128, 128, 128], [1024, 256, 256, 256, 256, 256], [2048]]
    assert net.width == 2048


def test_kernels_and_biases():
    convolutions = [m for m in network().modules() if isinstance(m, torch.nn.Conv1d)]
    blocks = sum(stage.blocks for stage in STAGES)
    assert [c.kernel_size[0] for c in convolutions].count(2) == blocks == 14
    assert len(convolutions) == 3 * blocks + len(STAGES)  # a shortcut where the width changes, none elsewhere
    assert all(c.bias is None for c in convolutions)


def test_the_kernel_of_two_looks_back_and_never_ahead():
    block = awake(ResidualBlock(6, 6, 6)).eval()
    x = torch.randn(1, 6, 10)
    changed = x.clone()
    changed[:, :, 4] += 1
    with torch.inference_mode():
        differs = (block(x) != block(changed)).any(dim=1)[0]
    assert differs.nonzero().flatten().tolist() == [4, 5]


def test_a_block_starts_as_its_shortcut():
    x = torch.randn(2, 6, 10)
    with torch.inference_mode():
        assert torch.equal(ResidualBlock(6, 6, 6)(x), torch.relu(x))


def test_a_strided_block_halves_the_places():
    assert ResidualBlock(4, 8, 6, stride=2)(torch.randn(2, 4, 32)).shape == (2, 6, 16)


def test_scale_narrows_every_stage():
    assert network(scale=0.25).width == 512
    assert network(scale=0.001).width == 8  # never less


@pytest.mark.parametrize("length", [3, 7, 32, 56])
def test_any_text_length(length):
    net = network()
    assert net.eval()(*texts(1, length, length=length)).shape == (2, net.width)


def test_masked_words_have_no_influence():
    net = network().eval()
    ids, mask = texts(4, 9)
    other = torch.where(mask == 1, ids, 33)
    with torch.inference_mode():
        assert torch.equal(net(ids, mask), net(other, mask))


def test_a_text_of_no_words_is_finite():
    net = network()
    for training in (True, False):
        assert torch.isfinite(net.train(training)(*texts(0, 3))).all()


def test_a_full_text_cannot_move():
    net = network().train()
    net.normalise.eval(), net.stages.eval()
    ids, mask = texts(LENGTH, LENGTH)
    with torch.inference_mode():
        assert torch.equal(net(ids, mask), net(ids, mask))


def test_position_shift_in_training_only():
    net = network()
    ids, mask = texts(3, 5)
    with torch.inference_mode():
        net.eval()
        assert torch.equal(net(ids, mask), net(ids, mask))
        net.train()
        net.normalise.eval(), net.stages.eval()  # only the shift is left of training
        answers = {net(ids, mask)[0].sum().item() for _ in range(20)}
    assert len(answers) > 1


def test_shifting_loses_no_word():
    """Every start that is drawn keeps all words in their order, somewhere in the row."""
    seen = set()
    net = network().train()
    ids, mask = texts(*range(1, LENGTH + 1))
    net._answer = lambda i, m: seen.update(m.argmax(1).tolist()) or (i * m)
    for _ in range(300):
        moved = net(ids, mask)
        assert all(torch.equal(a[a > 0], b[b > 0]) for a, b in zip(moved, ids, strict=True))
    assert seen == set(range(LENGTH))


def test_shifted():
    rows = torch.tensor([[1, 2, 0, 0], [3, 0, 0, 0], [4, 5, 6, 7]])
    assert shifted(rows, torch.tensor([2, 3, 0])).tolist() == [[0, 0, 1, 2], [0, 0, 0, 3], [4, 5, 6, 7]]


@pytest.mark.parametrize("positions", [1, 2, 5])
def test_evaluation_averages_over_evenly_spread_starts(positions):
    net = network(positions=positions).eval()
    ids, mask = texts(12)  # 20 places of room
    starts = [0] if positions == 1 else [20 * k // (positions - 1) for k in range(positions)]
    net.positions = 1
    with torch.inference_mode():
        expected = torch.stack([net(ids.roll(s, 1), mask.roll(s, 1)) for s in starts]).mean(0)
        net.positions = positions
        assert torch.allclose(net(ids, mask), expected, atol=1e-6)


def test_word_dropout_hides_words_in_training_only():
    net = network(word_dropout=0.9)
    ids, mask = texts(LENGTH)
    net.normalise.eval(), net.stages.eval()
    with torch.inference_mode():
        net.training = False
        whole = net(ids, mask)
        net.training = True
        assert not torch.equal(net(ids, mask), whole)


def test_a_frozen_word_table_does_not_learn():
    assert not network().embedding.weight.requires_grad
    assert network(train_embeddings=True).embedding.weight.requires_grad
