"""What ends the process of Milvus Lite or of a server, and with it the calls of everybody else."""

from __future__ import annotations

from collections.abc import Sequence

from milvus_hash.errors import InputError
from milvus_hash.query.expression import CLOSED_BY, Word, words

_COMPUTING = frozenset(["+", "-", "*", "/", "%", "**", "&", "|", "^", "~"])
_NO_WORD = Word("", "")


def check_harmless(expression: str, *, lite: bool) -> None:
    """Refuse what ends the process that would answer it.

    Raises:
        InputError: It divides by zero; or, in Milvus Lite, what stands before ``in`` is no field, what stands after
            ``like`` is no text, or a function lacks arguments.

    Example:
        >>> check_harmless("id % 3 in [1, 2]", lite=True)
        Traceback (most recent call last):
        milvus_hash.errors.InputError: filter 'id % 3 in [1, 2]' would end Milvus Lite: ...
    """
    found = words(expression)
    for place in range(len(found)):
        if instead := _dividing(found, place) or (lite and _in_lite(found, place)):
            raise InputError(f"filter {expression!r} would end Milvus{' Lite' if lite else ''}: {instead}")


def _dividing(found: Sequence[Word], place: int) -> str:
    """What to write instead of a division by zero; empty where there is none."""
    written = found[place].written
    if written not in ("/", "%") or _is_divisor(written, found, place + 1):
        return ""
    return f"write a number after {written} that is not 0" + (", nor between -1 and 1" if written == "%" else "")


def _in_lite(found: Sequence[Word], place: int) -> str:
    """What to write instead of this word where Milvus Lite would end over it, which a server refuses or answers."""
    kind, written = found[place]
    after = found[place + 1] if place + 1 < len(found) else _NO_WORD
    if (kind, written) == ("keyword", "in") and not _is_field(found, place - 1):
        return "write a field before `in`, and for id % 3 in [1, 2] (id % 3 == 1 or id % 3 == 2)"
    if (kind, written) == ("keyword", "like") and after.kind != "text":
        return 'write a text after `like`, as in name like "a%"'
    if kind == "name" and after.written == "(" and _arguments(found, place + 1) < (wanted := _wanted(written)):
        return f"{written} takes {'an array' if wanted == 1 else 'an array and a value'}"
    return ""


def _is_field(found: Sequence[Word], end: int) -> bool:
    """Whether the operand that ends here is a field or a part of one, and no more: ``id``, ``(id)``, ``m["a"][0]``."""
    if end >= 0 and found[end].written in ("not", "!"):
        end -= 1
    start = end
    while start >= 0 and found[start].written == ")":
        start -= 1
    parentheses = end - start
    while start >= 0 and found[start].written == "]":
        start -= 3  # [, what is in it, ]
    if start < 0 or found[start].kind not in ("name", "template"):
        return False
    start -= parentheses
    if start < 0 or any(word.written != "(" for word in found[start : start + parentheses]):
        return False
    before = found[start - 1] if start else _NO_WORD
    call = parentheses and before.kind == "name"
    return not call and before.written not in _COMPUTING


def _is_divisor(sign: str, found: Sequence[Word], place: int) -> bool:
    """Whether a field stands here, which Milvus refuses, or a number by which it can divide."""
    start = place
    while start < len(found) and found[start].written in ("(", "+", "-"):
        start += 1
    divisor = found[start] if start < len(found) else _NO_WORD
    if divisor.kind != "number":
        return divisor.kind != "sign"
    opened = sum(word.written == "(" for word in found[place:start])
    alone = all(word.written == ")" for word in found[start + 1 : start + 1 + opened])
    value = _decimal(divisor.written)
    return alone and (value >= 1 if sign == "%" else value > 0)  # the remainder is one of integers


def _decimal(number: str) -> float:
    return int(number, 16) if number[:2] in ("0x", "0X") else float(number)


def _wanted(function: str) -> int:
    """How many arguments Milvus Lite needs to go on, of a function that it knows."""
    name = function.lower()
    return 2 if name.startswith(("json_contains", "array_contains")) else int(name == "array_length")


def _arguments(found: Sequence[Word], place: int) -> int:
    """The number of arguments in the parentheses that open here."""
    depth = commas = 0
    for number, word in enumerate(found[place:]):
        depth += (word.written in CLOSED_BY) - (word.written in CLOSED_BY.values())
        if not depth:
            return commas + 1 if number > 1 else 0
        commas += depth == 1 and word.written == ","
    return 0
