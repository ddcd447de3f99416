"""Items and batches: every pair keeps its own picture, texts and labels, and every epoch its order."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from milvus_hash.errors import InputError
from milvus_hash_export.batches import Batches, make_items
from milvus_hash_export.config import TrainConfig
from milvus_hash_export.data import Pairs
from milvus_hash_export.features import Features
from milvus_hash_export.networks.stream import Stream
from milvus_hash_export.tokens import build_tokenizer

COUNT, VIEWS, BAD = 21, 3, 4
CONFIG = TrainConfig(text_length=4, batch_size=4, seed=5)


class Doubled(nn.Module):
    """Stands for a sentence encoder: two tensors made of the tokens, and how often it was asked."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(2.0))
        self.calls = 0

    def forward(self, ids, mask):
        self.calls += 1
        return ids.float() * self.scale, mask


@pytest.fixture
def pairs():
    """Item i has 1 + i % 2 texts, which consist of the word ``n<i>``; its only label is label i % 3."""
    texts = [(f"n{i}",) * (1 + i % 2) for i in range(COUNT)]
    labels = np.eye(3, dtype=np.uint8)[np.arange(COUNT) % 3]
    names = [f"p{i}" for i in range(COUNT)]
    return Pairs(names, "image", names, texts, labels, ["a", "b", "c"], [None] * COUNT)


@pytest.fixture
def tokenizer(tmp_path):
    path = tmp_path / "tokenizer.json"
    path.write_text(build_tokenizer([f"n{i}" for i in range(COUNT)], 100))
    return path


@pytest.fixture
def features():
    """The features of item i and view v are 10 i + v; item 4 has none."""
    values = (10 * np.arange(COUNT)[:, None] + np.arange(VIEWS)).astype(np.float16)[..., None]
    good = np.arange(COUNT) != BAD
    return Features(values, good, {BAD: "bad"})


def text_stream(frozen=None):
    return Stream(frozen, nn.Identity(), nn.Linear(4, 8), pooled=nn.Identity(), signature="")


@pytest.fixture
def items(pairs, features, tokenizer):
    return make_items(pairs, features, text_stream(), tokenizer, CONFIG)


def number(items, position):
    return int(items.ids[position][1:])


def test_a_bad_picture_shifts_nothing(items):
    everything = torch.arange(len(items))
    batch = items.batch(everything, torch.ones_like(everything), torch.zeros_like(everything))
    numbers = [number(items, i) for i in range(len(items))]
    assert numbers == [i for i in range(COUNT) if i != BAD]
    assert batch.visual[:, 0].tolist() == [10 * i + 1 for i in numbers]
    assert batch.visual.dtype == torch.float32
    assert batch.labels.argmax(1).tolist() == [i % 3 for i in numbers]
    assert len(set(batch.text[0][:, 0].tolist())) == len(numbers)  # each its own word
    assert batch.items.tolist() == everything.tolist()


def test_a_part_is_what_it_was_in_the_whole(items):
    part = items.part(np.array([number(items, i) % 2 == 1 for i in range(len(items))]))
    assert [number(part, i) for i in range(len(part))] == list(range(1, COUNT, 2))
    where = [items.ids.index(name) for name in part.ids]
    at, one = torch.arange(len(part)), torch.ones(len(part), dtype=torch.int64)
    mine, whole = part.batch(at, one, one), items.batch(torch.tensor(where), one, one)
    assert torch.equal(mine.visual, whole.visual)
    assert torch.equal(mine.text[0], whole.text[0])
    assert torch.equal(mine.labels, whole.labels)


def test_pixels_stay_whole_numbers(pairs, features, tokenizer):
    pixels = Features(features.values.astype(np.uint8), features.good, features.reasons)
    items = make_items(pairs, pixels, text_stream(), tokenizer, CONFIG)
    assert items.batch(torch.tensor([0]), torch.tensor([1]), torch.tensor([0])).visual.dtype == torch.uint8


def test_a_frozen_text_encoder_is_asked_once(pairs, features, tokenizer, items):
    encoder = Doubled()
    encoded = make_items(pairs, features, text_stream(encoder), tokenizer, CONFIG)
    assert encoder.calls == 1
    assert len(list(Batches(encoded, CONFIG).epoch(0))) == 5
    assert encoder.calls == 1
    at = torch.tensor([7, 2])
    batch = encoded.batch(at, at * 0, at * 0)
    ids, mask = items.batch(at, at * 0, at * 0).text
    assert torch.equal(batch.text[0], ids * 2.0)
    assert batch.text[0].dtype == torch.float32
    assert not batch.text[0].requires_grad
    assert torch.equal(batch.text[1], mask)


def test_an_epoch_has_every_pair_at_most_once_and_draws_views_and_texts(items):
    batches = Batches(items, CONFIG)
    assert len(batches) == 5
    seen, views, texts = [], set(), set()
    for epoch in range(6):
        order = []
        for batch in batches.epoch(epoch):
            order += batch.items.tolist()
            for position, value in zip(batch.items.tolist(), batch.visual[:, 0].tolist(), strict=True):
                assert value // 10 == number(items, position)
                views.add(value % 10)
        assert len(set(order)) == len(order) == 20
        seen.append(order)
        texts |= {tuple(row) for row in batch.text[0].tolist()}
    assert len({tuple(order) for order in seen}) == 6
    assert views == {0, 1, 2}


def test_an_epoch_depends_on_its_number_and_the_seed_only(items):
    torch.rand(3)
    first = [batch.items.tolist() for batch in Batches(items, CONFIG).epoch(3)]
    torch.manual_seed(99)
    assert [batch.items.tolist() for batch in Batches(items, CONFIG).epoch(3)] == first
    other = TrainConfig(text_length=4, batch_size=4, seed=6)
    assert [batch.items.tolist() for batch in Batches(items, other).epoch(3)] != first


def test_processes_share_every_epoch_out(items):
    together = [Batches(items, CONFIG, process=p, processes=2) for p in range(2)]
    alone = [
        batch.items.tolist() for batch in Batches(items, TrainConfig(text_length=4, batch_size=8, seed=5)).epoch(1)
    ]
    halves = [[batch.items.tolist() for batch in own.epoch(1)] for own in together]
    assert len(together[0]) == len(halves[0]) == 2
    assert [a + b for a, b in zip(*halves, strict=True)] == alone


def test_few_pairs_are_one_batch_and_one_is_none(items):
    few = items.part(np.arange(len(items)) < 3)
    assert [len(batch.items) for batch in Batches(few, CONFIG).epoch(0)] == [3]
    with pytest.raises(InputError, match="1 pairs can be used"):
        Batches(items.part(np.arange(len(items)) < 1), CONFIG)
    with pytest.raises(InputError, match="3 pairs can be used; 2 processes need at least 4"):
        Batches(few, CONFIG, process=0, processes=2)
