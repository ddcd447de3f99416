"""Tokenizers that could blow up a text, hang or crash are refused; those of known models are not."""

import base64
import json
import random

import pytest
from tokenizers import Tokenizer as Backend
from tokenizers import models, normalizers, pre_tokenizers, processors

from milvus_hash.errors import BundleError
from milvus_hash.media.text import MAX_TEXT_BYTES, Tokenizer

VOCABULARY = {"[PAD]": 0, "[UNK]": 1, "red": 2, "flower": 3, "▁red": 4}
MODEL = {"type": "WordLevel", "vocab": VOCABULARY}


def _backend(model=None, **parts):
    backend = Backend(model or models.WordLevel(VOCABULARY, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    for name, part in parts.items():
        setattr(backend, name, part)
    return backend


def _changed(**parts):
    """The JSON of a tokenizer with parts that the library's own classes would not make."""
    return json.dumps({**json.loads(_backend().to_str()), **parts}).encode()


def _split(expression):
    pattern = {"type": "Split", "pattern": {"Regex": expression}, "behavior": "Isolated", "invert": False}
    return _changed(pre_tokenizer=pattern)


def _with_own_tokens(template):
    processor = processors.TemplateProcessing(single=template, special_tokens=[("[PAD]", 0)])
    return _backend(post_processor=processor).to_str().encode()


def _replaced(pattern, content, times=1):
    step = {"type": "Replace", "pattern": pattern, "content": content}
    return _changed(normalizer={"type": "Sequence", "normalizers": [step] * times})


def _table(*replacements):
    """A table as SentencePiece writes it, with an empty index."""
    table = (4).to_bytes(4, "little") + bytes(4) + b"".join(one + b"\0" for one in replacements)
    return _changed(normalizer={"type": "Precompiled", "precompiled_charsmap": base64.b64encode(table).decode()})


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(_replaced({"String": "a"}, "b" * 200_000), "200,000 times", id="long"),
        pytest.param(_replaced({"String": "a"}, "aa", 40), "times as long", id="doubled-40-times"),
        pytest.param(_replaced({"Regex": ""}, "b" * 100), "101 times", id="beside-every-character"),
        pytest.param(_replaced({"Regex": "."}, "b" * 100), "101 times", id="expression"),
        pytest.param(_replaced({"String": ""}, "b" * 100), "101 times", id="empty-pattern"),
        pytest.param(_changed(normalizer={"type": "Prepend", "prepend": "b" * 200_000}), "times", id="prepended"),
        pytest.param(_table(b"a", b"b" * 100_000), "100,000 times", id="table"),
        pytest.param(
            _backend(models.WordPiece(VOCABULARY, max_input_chars_per_word=10**9)).to_str().encode(),
            "max_input_chars_per_word",
            id="endless-word",
        ),
        pytest.param(
            _backend(models.BPE({"r": 0, "e": 1, "re": 2}, [("r", "e")], dropout=0.5)).to_str().encode(),
            "another code each time",
            id="dropout",
        ),
        pytest.param(_changed(normalizer={"type": "Precompiled", "precompiled_charsmap": ""}), "read", id="no-table"),
        pytest.param(
            _changed(normalizer={"type": "Replace", "pattern": {"Regex": "("}, "content": ""}), "read", id="("
        ),
        pytest.param(b"[" * 100_000, "not a tokenizer", id="nested"),
        pytest.param(b"\xff\xfe", "not a tokenizer", id="no-text"),
    ],
)
def test_tokenizers_that_explode_are_refused(data, reason):
    with pytest.raises(BundleError, match=reason):
        Tokenizer(data, 8)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(_split("(a|a)*$"), id="expression-without-end"),
        pytest.param(_table(b"b"), id="table-without-index"),
        pytest.param(_with_own_tokens("[PAD] " * 20 + "$A"), id="more-tokens-of-its-own-than-fit"),
        pytest.param(_changed(model={**MODEL, "unk_token": "nowhere"}), id="no-unknown"),
    ],
)
def test_tokenizers_that_fail_are_refused_when_they_do(data):
    with pytest.raises(BundleError, match="fails on 1 texts"):
        Tokenizer(data, 8)(["a" * 40 + "b"])


@pytest.mark.parametrize(
    "normalizer",
    [
        normalizers.BertNormalizer(),
        normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]),
        normalizers.Sequence([normalizers.NFC(), normalizers.Replace("a", "b"), normalizers.Lowercase()]),
        normalizers.Sequence([normalizers.NFKD(), normalizers.StripAccents(), normalizers.Replace("``", '"')]),
        normalizers.ByteLevel(),
    ],
)
def test_normalizers_of_known_models_are_read(normalizer):
    tokenizer = Tokenizer(_backend(normalizer=normalizer).to_str().encode(), 8)
    assert tokenizer(["red"])[0].shape == (1, 8)


def test_a_table_of_short_replacements_is_read():
    assert Tokenizer(_table(b"a", b"b" * 33), 8) is not None


def test_cut_texts_are_counted():
    tokenizer = Tokenizer(_backend().to_str().encode(), 3)
    tokens = tokenizer.tokens(["red", "red red red", "red red red red", "flower", "red " * 500])
    assert tokens.cut == {2, 4}
    assert tokens.mask.sum(axis=1).tolist() == [1, 3, 3, 1, 3]


def test_tokens_of_the_tokenizer_itself_count_too():
    template = processors.TemplateProcessing(single="[UNK] $A [UNK]", special_tokens=[("[UNK]", 1)])
    tokenizer = Tokenizer(_backend(post_processor=template).to_str().encode(), 4)
    assert tokenizer.tokens(["red red", "red red red", "red"]).cut == {1}


def test_whether_a_text_is_cut_is_what_a_longer_tokenizer_says():
    backend, words = _backend(), random.Random(0)
    texts = [" ".join(words.choices(["red", "flower", "x"], k=words.randrange(1, 20))) for _ in range(200)]
    lengths = [len(encoding.ids) for encoding in backend.encode_batch(texts)]
    cut = Tokenizer(backend.to_str().encode(), 8).tokens(texts).cut
    assert cut == {place for place, length in enumerate(lengths) if length > 8}
    assert Tokenizer(backend.to_str().encode(), 8).tokens(["red"] * 3).cut == set()
    assert Tokenizer(backend.to_str().encode(), 8).tokens(["a " * (MAX_TEXT_BYTES // 2)]).cut == {0}
