"""Texts become the token arrays that a text graph takes, through the ``tokenizers`` library."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from milvus_hash.errors import BundleError, InputError

MAX_TEXT_BYTES = 32_000  # UTF-8; a text travels in Milvus' dynamic field, whose JSON holds 65,536 bytes a row


def check_text(value: object) -> str:
    """Return ``value`` as a text that can be encoded and stored.

    Raises:
        InputError: Not a text, not UTF-8, empty or blank, or longer than ``MAX_TEXT_BYTES`` bytes.

    Example:
        >>> check_text(b"a red flower")
        'a red flower'
    """
    if isinstance(value, bytes):
        try:
            value = value.decode("utf-8")
        except UnicodeDecodeError as error:
            raise InputError(f"the text is not UTF-8 (byte {error.start})") from error
    if not isinstance(value, str):
        raise InputError(f"the text is a {type(value).__name__}, not a string")
    if not value.strip():
        raise InputError("the text is empty")
    try:
        size = len(value.encode("utf-8"))
    except UnicodeEncodeError as error:
        raise InputError(
            f"the text holds a lone surrogate (position {error.start}), which UTF-8 cannot write"
        ) from error
    if size > MAX_TEXT_BYTES:
        raise InputError(f"the text has {size:,} bytes; at most {MAX_TEXT_BYTES:,} are taken: split or shorten it")
    return value


class Tokenizer:
    """A bundle's tokenizer with its fixed length."""

    def __init__(self, path: str | Path, length: int) -> None:
        """Read the tokenizer file at ``path``; every text becomes ``length`` tokens.

        Raises:
            BundleError: The file is not one that ``tokenizers`` reads.
        """
        from tokenizers import Tokenizer as Backend

        try:
            self._backend = Backend.from_file(str(path))
        except Exception as error:  # tokenizers raises bare Exception
            raise BundleError(f"{path} is not a tokenizer that can be read: {error}") from error
        pad = next((t for t in ("[PAD]", "<pad>") if self._backend.token_to_id(t) is not None), None)
        pad_id = self._backend.token_to_id(pad) if pad is not None else 0
        self._backend.enable_truncation(length)
        self._backend.enable_padding(length=length, pad_id=pad_id, pad_token=pad or "")

    def __call__(self, texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Token ids and attention mask, each int64 ``(n, length)``; the mask is 1 on real tokens."""
        encodings = self._backend.encode_batch_fast(list(texts))
        ids = np.array([e.ids for e in encodings], dtype=np.int64)
        mask = np.array([e.attention_mask for e in encodings], dtype=np.int64)
        return ids, mask
