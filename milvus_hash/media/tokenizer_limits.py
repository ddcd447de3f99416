"""What a tokenizer may not do: grow a text, or take a time that explodes with its length.

A tokenizer file is as much somebody else's program as a graph is. A text has at most 32,000 bytes, so that what it
becomes and how long that takes are bounded once these limits hold.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from milvus_hash.errors import BundleError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_MOST_GROWTH = 16  # the normalizers of known tokenizers reach 8 by this reckoning
_LONGEST_REPLACEMENT = 64  # bytes for one character: Unicode's own longest has 33
_LONGEST_WORD = 1000  # characters that WordPiece looks up every part of; 100 is usual


def check_limits(tokenizer: Tokenizer, name: str) -> None:
    """Refuse a tokenizer, called ``name`` in messages, that could blow up a text.

    Raises:
        BundleError: Its normalizer makes texts more than 16 times as long, its WordPiece model takes words of more than
            1,000 characters, or its BPE model leaves out merges at random.
    """
    if tokenizer.normalizer is not None:
        growth = _growth(json.loads(tokenizer.normalizer.__getstate__()))
        if growth > _MOST_GROWTH:
            raise BundleError(
                f"{name} has a normalizer that can make a text {growth:,.0f} times as long; "
                f"at most {_MOST_GROWTH} times is allowed"
            )
    word = getattr(tokenizer.model, "max_input_chars_per_word", 0)
    if word > _LONGEST_WORD:
        raise BundleError(f"{name} has max_input_chars_per_word {word:,}; at most {_LONGEST_WORD:,} is allowed")
    if dropout := getattr(tokenizer.model, "dropout", None):
        raise BundleError(f"{name} has dropout {dropout}, so that a text has another code each time; 0 is needed")


def _growth(step: Mapping[str, Any]) -> float:
    """How many times as long a text can become in ``step`` of a normalizer; what is not named here grows little."""
    match step["type"]:
        case "Sequence":
            return math.prod(_growth(one) for one in step["normalizers"])
        case "Replace":
            # A regular expression may match nothing, beside every character.
            pattern = step["pattern"].get("String", "")
            return max(1, len(step["content"]) / len(pattern)) if pattern else 1 + len(step["content"])
        case "Prepend":
            return 1 + len(step["prepend"])
        case "Precompiled":
            longest = _longest_replacement(base64.b64decode(step["precompiled_charsmap"]))
            return 1 if longest <= _LONGEST_REPLACEMENT else longest
    return 1


def _longest_replacement(table: bytes) -> int:
    """Bytes of the longest replacement in SentencePiece's table: the size of an index, the index, the replacements."""
    size = int.from_bytes(table[:4], "little")
    return max(map(len, table[4 + size :].split(b"\0")))
