"""CLIP and BERT with random weights, small enough for every test run, saved in the layout of the hub."""

from __future__ import annotations

from pathlib import Path

from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, BertModel, CLIPConfig, CLIPModel

WORDS = [f"word{i}" for i in range(50)]
LENGTH = 16  # positions of the texts


def tiny_bert(folder: Path) -> Path:
    """A sentence encoder of 16 channels; words that it does not know are ``[UNK]``."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    config = BertConfig(
        vocab_size=len(special) + len(WORDS),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=LENGTH,
    )
    BertModel(config).save_pretrained(folder)
    _save_tokenizer(folder, [*special, *WORDS], unknown="[UNK]", ends=("[CLS]", "[SEP]"))
    return folder


def tiny_clip(folder: Path, *, size: int) -> Path:
    """A CLIP for pictures of ``size`` pixels, a grid of 4 x 4 places, 24 shared channels."""
    words = [*WORDS, "<|startoftext|>", "<|endoftext|>"]
    tower = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    ends = {"bos_token_id": len(words) - 2, "eos_token_id": len(words) - 1, "pad_token_id": len(words) - 1}
    config = CLIPConfig(
        text_config=tower | ends | {"vocab_size": len(words), "max_position_embeddings": LENGTH},
        vision_config=tower | {"image_size": size, "patch_size": size // 4},
        projection_dim=24,
    )
    CLIPModel(config).save_pretrained(folder)
    _save_tokenizer(folder, words, unknown="<|endoftext|>", ends=("<|startoftext|>", "<|endoftext|>"))
    return folder


def _save_tokenizer(folder: Path, words: list[str], *, unknown: str, ends: tuple[str, str]) -> None:
    places = {word: i for i, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordLevel(places, unk_token=unknown))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{ends[0]} $A {ends[1]}", special_tokens=[(end, places[end]) for end in ends]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
