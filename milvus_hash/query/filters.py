"""The filter of a search: the rows of one modality that meet the user's condition."""

from __future__ import annotations

import json

from milvus_hash.errors import InputError
from milvus_hash.store.schema import MODALITIES


def of_modality(modality: str | None) -> str:
    """The filter for rows of one modality; empty, which is all rows, for None.

    Raises:
        InputError: The modality is unknown.
    """
    if modality is not None and modality not in MODALITIES:
        raise InputError(f"unknown modality {modality!r}; use one of {', '.join(MODALITIES)}")
    return "" if modality is None else f'modality == "{modality}"'


def check_condition(condition: str) -> str:
    """The user's ``condition``, stripped, once it is sure that it can be put into parentheses.

    Raises:
        InputError: Parentheses, brackets and quotes do not pair up: it could leave its parentheses, and Milvus Lite
            guesses what is missing.
    """
    if not _balanced(condition):
        raise InputError(f"filter {condition!r}: a parenthesis, bracket or quote is missing")
    return condition.strip()


def _balanced(condition: str) -> bool:
    """Whether every parenthesis, bracket and quote is closed by its own, quoted text aside."""
    closers, quote, escaped = "", "", False
    for char in condition:
        if quote:
            if escaped or char == "\\":
                escaped = not escaped
            elif char == quote:
                quote = ""
        elif char in "\"'":
            quote = char
        elif char in "([":
            closers += {"(": ")", "[": "]"}[char]
        elif char in ")]":
            if not closers.endswith(char):
                return False
            closers = closers[:-1]
    return not closers and not quote


def both(first: str, second: str) -> str:
    """A filter that wants both conditions, either of which may be empty.

    Example:
        >>> both("pk > 7", "year == 3 or year == 4")
        '(pk > 7) and (year == 3 or year == 4)'
    """
    return f"({first}) and ({second})" if first and second else first or second


def quoted(value: str | int) -> str:
    r"""A value as Milvus' expressions write it.

    Example:
        >>> quoted(7), quoted('a "b"')
        ('7', '"a \\"b\\""')
    """
    return json.dumps(value, ensure_ascii=False)
