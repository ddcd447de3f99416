"""Milvus expressions, taken apart into words: the one reader of what users give as a filter."""

from __future__ import annotations

import re
from collections.abc import Sequence
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
_KEYWORDS = frozenset(["and", "or", "not", "in", "like", "exists", "is", "null", "true", "false", "iso", "interval"])
_CLOSED_BY = {"(": ")", "[": "]", "{": "}"}
_COMPUTING = frozenset(["+", "-", "*", "/", "%", "**"])
_BEFORE_A_TERM = frozenset(["and", "or", "not", "&&", "||", "!"])


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
            'licence == "CC0"\'; leave it out for all rows'
        )
    found = [_word(match) for match in _WORD.finditer(expression)]
    open_: list[str] = []
    for _, sign in (word for word in found if word.kind == "sign"):
        if sign in _CLOSED_BY:
            open_.append(_CLOSED_BY[sign])
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


def check_for_lite(expression: str) -> None:
    """Refuse what ends the process of Milvus Lite, and with it every later call.

    Raises:
        InputError: Something computed is looked for with ``in``, or something is divided by zero.

    Example:
        >>> check_for_lite("id % 3 in [1, 2]")
        Traceback (most recent call last):
        milvus_hash.errors.InputError: filter 'id % 3 in [1, 2]' would end Milvus Lite, ...
    """
    found = words(expression)
    for place, word in enumerate(found):
        if word == ("keyword", "in") and _is_computed(found[:place]):
            raise InputError(
                f"filter {expression!r} would end Milvus Lite, which knows `in` for fields alone: write "
                "(id % 3 == 1 or id % 3 == 2) for id % 3 in [1, 2], or use a server"
            )
        if word.written in ("/", "%") and _is_zero(found[place + 1 : place + 3]):
            raise InputError(f"filter {expression!r} divides by zero, which would end Milvus Lite")


def _word(match: re.Match[str]) -> Word:
    kind, written = str(match.lastgroup), match[0]
    return Word("keyword", written.lower()) if kind == "name" and written.lower() in _KEYWORDS else Word(kind, written)


def _is_field(word: Word, after: Word | None) -> bool:
    return word.kind == "name" and after != ("sign", "(")


def _is_computed(before: Sequence[Word]) -> bool:
    """Whether the term that these words end with, ``not`` aside, is anything but a field."""
    term = list(before[:-1] if before[-1:] == [("keyword", "not")] else before)
    depth, subscript = 0, 0
    after: Word | None = None
    while term and not (depth == 0 and term[-1].written in _BEFORE_A_TERM):
        word = term.pop()
        depth += (word.written in (")", "]")) - (word.written in ("(", "["))
        if depth < 0:
            return False
        subscript += (word.written == "]") - (word.written == "[")
        function = word.kind == "name" and after == ("sign", "(")
        if not subscript and (word.kind == "number" or word.written in _COMPUTING or function):
            return True
        after = word
    return False


def _is_zero(after: Sequence[Word]) -> bool:
    divisor = next((word for word in after if word.written not in ("-", "+")), None)
    return divisor is not None and divisor.kind == "number" and _decimal(divisor.written) == 0


def _decimal(number: str) -> float:
    return int(number, 16) if number[:2] in ("0x", "0X") else float(number)
