"""Texts: checked, then tokens of a fixed length."""

import pytest
from tokenizers import Tokenizer as Backend
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from milvus_hash.errors import BundleError, InputError
from milvus_hash.media.text import MAX_TEXT_BYTES, Tokenizer, check_text


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        pytest.param("", "empty", id="empty"),
        pytest.param(" \n\t", "empty", id="blank"),
        pytest.param(b"caf\xe9", "not UTF-8", id="latin-1"),
        pytest.param("x" * 1_000_000, "1,000,000 bytes", id="1MB"),
        pytest.param("ü" * (MAX_TEXT_BYTES // 2 + 1), "at most 32,000", id="bytes-not-characters"),
        pytest.param("a\ud800b", "lone surrogate", id="surrogate"),
        pytest.param(3.5, "not a string", id="number"),
        pytest.param(None, "not a string", id="none"),
    ],
)
def test_bad_texts_are_input_errors(value, reason):
    with pytest.raises(InputError, match=reason):
        check_text(value)


@pytest.mark.parametrize("value", ["a", "x" * MAX_TEXT_BYTES, "🌸", "a\0b", "'; DROP TABLE x; --"])
def test_good_texts_come_back_untouched(value):
    assert check_text(value) == value
    assert check_text(value.encode()) == value


def test_tokens_have_the_fixed_length_and_a_mask(tmp_path):
    backend = Backend(WordLevel({"[PAD]": 0, "[UNK]": 1, "red": 2, "flower": 3}, unk_token="[UNK]"))
    backend.pre_tokenizer = Whitespace()
    backend.save(str(tmp_path / "t.json"))
    ids, mask = Tokenizer(tmp_path / "t.json", 3)(["red flower", "a red red flower", "flower"])
    assert ids.tolist() == [[2, 3, 0], [1, 2, 2], [3, 0, 0]]
    assert mask.tolist() == [[1, 1, 0], [1, 1, 1], [1, 0, 0]]
    assert ids.dtype == mask.dtype == "int64"


def test_broken_tokenizer_is_a_bundle_error(tmp_path):
    (tmp_path / "t.json").write_text("{}")
    with pytest.raises(BundleError, match="not a tokenizer"):
        Tokenizer(tmp_path / "t.json", 3)
