"""Text-guided fusion learns, and each modality encodes without the other."""

from __future__ import annotations

import pytest
import torch
from tiny_encoders import tiny_bert
from torch import nn

from milvus_hash.errors import InputError, MissingExtra
from milvus_hash_export.config import load_config
from milvus_hash_export.losses import SIMILARITY_LOSSES
from milvus_hash_export.methods.base import Batch, Data, shared_label
from milvus_hash_export.methods.text_guided import TextGuidedOptions, build_text_guided

PAIRS, CLASSES = 64, 8
NO_TERM = {name: 0.0 for name in TextGuidedOptions.__slots__ if name.endswith("_weight")}


@pytest.fixture(scope="module")
def make(tmp_path_factory):
    """``make(bits=..., **settings)``: a small method whose encoders are never run."""
    folder = tiny_bert(tmp_path_factory.mktemp("bert"))
    small = {"space": 16, "decoder_width": 16, "decoder_heads": 2, "prototypes": 8, "hidden": 64}
    still = {"input_dropout": 0.0, "dropout": 0.0, "decoder_dropout": 0.0}
    shared = {"weights": "random", "image_size": 32, "text_length": 8, "embeddings": str(folder)}

    def build(bits=(16,), **settings):
        torch.manual_seed(0)
        config = load_config(method="text-guided", bits=bits, **(shared | small | still | settings))
        return build_text_guided(config, Data("image", PAIRS, CLASSES, None), weights="random")

    return build


def data():
    """Random tokens of images and vectors of sentences: nothing but memory links them to their labels."""
    torch.manual_seed(1)
    told = nn.functional.one_hot(torch.arange(PAIRS) % CLASSES, CLASSES).float()
    return Batch(torch.randn(PAIRS, 5, 1280), (torch.randn(PAIRS, 16),), told, torch.arange(PAIRS))


def fit(method, batch, steps=120):
    optimiser = torch.optim.AdamW([p for p in method.parameters() if p.requires_grad], lr=0.01)
    method.train()
    for _ in range(steps):
        optimiser.zero_grad()
        method(batch)["loss"].backward()
        optimiser.step()
    return codes(method, batch)


@torch.inference_mode()
def codes(method, batch):
    method.eval()
    return torch.sign(method.visual.from_features(batch.visual)), torch.sign(method.text.from_features(*batch.text))


def worst_map(queries, database, relevant):
    """Mean average precision with every tie broken against the relevant item."""
    precisions = []
    for score, wanted in zip(queries @ database.T - 0.5 * relevant, relevant, strict=True):
        hits = wanted[score.argsort(descending=True)]
        precisions.append((hits.cumsum(0) / torch.arange(1, len(hits) + 1))[hits == 1].mean())
    return float(torch.stack(precisions).mean())


@pytest.mark.parametrize("similarity", SIMILARITY_LOSSES)
def test_overfits_64_pairs(make, similarity):
    batch = data()
    relevant = shared_label(batch.labels)
    method = make(bits=(32,), similarity=similarity, pair_weight=0.0)
    assert worst_map(*codes(method, batch), relevant) < 0.5
    u, v = fit(method, batch)
    assert worst_map(u, v, relevant) > 0.99
    assert worst_map(v, u, relevant) > 0.99


def test_every_trained_length_is_a_code(make):
    batch = data()
    u, v = fit(make(bits=(16, 32, 64), pair_weight=0.0), batch)
    for length in (16, 32, 64):
        assert worst_map(u[:, :length], v[:, :length], shared_label(batch.labels)) > 0.95


def test_own_pairs_are_found_among_items_of_one_label(make):
    batch = data()
    assert worst_map(*fit(make(bits=(64,)), batch), torch.eye(PAIRS)) > 0.9


def test_the_loss_is_the_weighted_sum_of_its_terms(make):
    method = make(**{name: 0.1 + i for i, name in enumerate(NO_TERM)})
    with torch.inference_mode():
        terms = {name: float(term) for name, term in method(data()).items()}
    assert set(terms) == {"loss", *(name.removesuffix("_weight") for name in NO_TERM)}
    expected = sum(getattr(method.options, f"{name}_weight") * term for name, term in terms.items() if name != "loss")
    assert terms["loss"] == pytest.approx(expected, rel=1e-5)


def test_an_image_learns_from_its_guided_code_and_not_the_other_way_round(make):
    """The caption's path into the loss is the teacher's only, and the teacher stands still."""
    method = make(**NO_TERM | {"distil_weight": 1.0})
    method(data())["loss"].backward()
    assert method.visual.trunk.imagine.prototypes.grad.abs().sum() > 0
    assert method.text.trunk.project.weight.grad is None or not method.text.trunk.project.weight.grad.any()


@torch.inference_mode()
def test_the_code_of_an_image_hangs_on_no_text_and_no_neighbour(make):
    method, batch = make().eval(), data()
    together = method.visual.from_features(batch.visual)
    assert torch.allclose(method.visual.from_features(batch.visual[3:4]), together[3:4], atol=1e-5)
    other = method.text.from_features(batch.text[0].flip(0))
    assert torch.allclose(other, method.text.from_features(*batch.text).flip(0), atol=1e-5)


@pytest.mark.parametrize(
    "settings",
    [
        {"similarity": "hope"},
        {"prototypes": 0},
        {"decoder_width": 10, "decoder_heads": 4},
        {"temperature": 0.0},
        {"decoder_dropout": 1.0},
        {"embeddings": "nowhere"},
        {"embeddings": ""},
        {"text_length": 17},
        {"unfreeze": 99},
    ],
)
def test_what_cannot_be_built_is_named(make, settings):
    names = "|".join(str(value) for value in settings.values() if value != "") or "embeddings"
    with pytest.raises((InputError, MissingExtra), match=names):
        make(**settings)
