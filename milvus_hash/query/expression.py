"""Milvus expressions, taken apart into words: the one reader of what users give as a filter."""

from __future__ import annotations

import re
from itertools import zip_longest
from typing import NamedTuple

from milvus_hash.errors import InputError

TEXT = re.compile(r""""(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'""", re.DOTALL)
"""A text between quotes, with what is escaped in it."""

_WORD = re.compile(
    rf"""(?P<text>{TEXT.pattern})
    | (?P<number>0[xX][\da-fA-F]+ | (?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
    | (?P<template>\{{\w+\}})
    | (?P<name>\$?[^\W\d]\w*)
    | (?P<sign><=|>=|==|!=|\*\*|&&|\|\||\S)""",
    re.DOTALL | re.VERBOSE,
)
_KEYWORDS = frozenset(["and", "or", "not", "in", "like", "exists", "is", "null", "true", "false"])
CLOSED_BY = {"(": ")", "[": "]", "{": "}"}


class Word(NamedTuple):
    """A word of an expression.

    Attributes:
        kind: ``text``, ``number``, ``template`` (a name in braces), ``name``, ``keyword`` or ``sign``.
        written: As it stands there; a keyword in small letters.
    """

    kind: str
    written: str


def words(expression: object) -> list[Word]:
    """The words of an expression.

    Raises:
        InputError: It is no text, or its parentheses, brackets and quotes do not pair up: put into parentheses it
            could leave them, and Milvus Lite guesses what is missing.

    Example:
        >>> [word.written for word in words('price < 1e5 AND "a cat" in tags')]
        ['price', '<', '1e5', 'and', '"a cat"', 'in', 'tags']
    """
    if not isinstance(expression, str):
        raise InputError(
            f"filter is a {type(expression).__name__}: a Milvus expression is needed, such as 'year > 1990 and "
            'licence == "CC0"\'; give values as where={"licence": "CC0"}, and leave it out for all rows'
        )
    found = [_word(match) for match in _WORD.finditer(expression)]
    open_: list[str] = []
    for _, sign in (word for word in found if word.kind == "sign"):
        if sign in CLOSED_BY:
            open_.append(CLOSED_BY[sign])
        elif sign in "\"'" or (sign in ")]}" and (not open_ or open_.pop() != sign)):
            open_ = [sign]
            break
    if open_:
        raise InputError(f"filter {expression!r}: a parenthesis, bracket or quote is missing")
    return found


def fields_in(expression: str) -> list[str]:
    """The names of fields in an expression, each once; ``$meta`` is one.

    Raises:
        InputError: As :func:`words`.

    Example:
        >>> fields_in('year > 3 and json_contains(labels, "a cat") or not (exists licence) or price < 1e5')
        ['year', 'labels', 'licence', 'price']
    """
    found = words(expression)
    names = [word.written for word, after in zip_longest(found, found[1:]) if _is_field(word, after)]
    return list(dict.fromkeys(names))


def _word(match: re.Match[str]) -> Word:
    kind, written = str(match.lastgroup), match[0]
    return Word("keyword", written.lower()) if kind == "name" and written.lower() in _KEYWORDS else Word(kind, written)


def _is_field(word: Word, after: Word | None) -> bool:
    """Whether it is no function, and no ``iso "2025-01-01"`` or ``minimum_should_match=2``."""
    following = Word("", "") if after is None else after
    return word.kind == "name" and following.kind != "text" and following.written not in ("(", "=")
