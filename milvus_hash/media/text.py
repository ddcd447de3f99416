"""Texts become the token arrays that a text graph takes, through the ``tokenizers`` library."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from milvus_hash.bundle import Bundle, TextInput
from milvus_hash.bundle.files import read_file
from milvus_hash.errors import BundleError, InputError
from milvus_hash.media.tokenizer_limits import check_limits

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
        raise InputError(f"the text is a {type(value).__name__}, not a string; several texts are a list of strings")
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


class Tokens(NamedTuple):
    """Texts as a graph takes them.

    Attributes:
        ids: int64 ``(n, length)``.
        mask: int64 ``(n, length)``, 1 on real tokens.
        cut: Places of the texts that had more tokens than ``length``.
    """

    ids: NDArray[np.int64]
    mask: NDArray[np.int64]
    cut: frozenset[int]


class Tokenizer:
    """A bundle's tokenizer with its fixed length."""

    def __init__(self, source: str | Path | bytes, length: int, *, name: str | None = None) -> None:
        """Read a tokenizer file, or take its content; every text becomes ``length`` tokens.

        Args:
            source: The path or the content.
            length: Tokens per text.
            name: What messages call it; the path when absent.

        Raises:
            BundleError: The file is not one that ``tokenizers`` reads, or one that can blow up a text.
        """
        from tokenizers import Tokenizer as Backend

        self._name = name or ("the tokenizer" if isinstance(source, bytes) else str(source))
        self._length = length
        data = source if isinstance(source, bytes) else read_file(Path(source))
        with self._refused("is not a tokenizer that can be read"):
            self._backend = Backend.from_buffer(data)
            check_limits(self._backend, self._name)
            pad = next((t for t in ("[PAD]", "<pad>") if self._backend.token_to_id(t) is not None), None)
            pad_id = self._backend.token_to_id(pad) if pad is not None else 0
            self._backend.enable_truncation(length)
            self._backend.enable_padding(length=length, pad_id=pad_id, pad_token=pad or "")

    def __call__(self, texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Token ids and attention mask, each int64 ``(n, length)``; the mask is 1 on real tokens."""
        return self.tokens(texts)[:2]

    def tokens(self, texts: Sequence[str]) -> Tokens:
        """Ids, mask, and which texts were cut.

        Raises:
            BundleError: The tokenizer fails, or adds more tokens of its own than ``length``.
        """
        with self._refused(f"fails on {len(texts)} texts"):
            encodings = self._backend.encode_batch_fast(list(texts))
            ids = np.array([e.ids for e in encodings], dtype=np.int64).reshape(len(texts), self._length)
            mask = np.array([e.attention_mask for e in encodings], dtype=np.int64).reshape(ids.shape)
            full = np.flatnonzero(mask[:, -1])  # of these few tokenizers is asked for the rest, which costs a copy
            return Tokens(ids, mask, frozenset(row for row in full.tolist() if encodings[row].overflowing))

    @contextmanager
    def _refused(self, problem: str) -> Iterator[None]:
        """Turn whatever ``tokenizers`` raises into BundleError; a panic of its Rust code is not even an Exception."""
        try:
            yield
        except (BundleError, KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            raise BundleError(f"{self._name} {problem}: {error}; export the model again") from error


def warn_of_cut(bundle: Bundle) -> None:
    """Say that a text is longer than ``bundle`` reads; Python shows a warning of one text once."""
    target = bundle.modalities["text"].input
    assert isinstance(target, TextInput)
    warnings.warn(
        f"a text is longer than the {target.length} tokens that bundle {bundle.name} reads: only its beginning counts",
        RuntimeWarning,
        stacklevel=3,
    )
