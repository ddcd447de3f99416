"""Values as Milvus' expressions write them: the one place that puts a value into a filter.

A server reads a text between quotes with the escapes of JSON. Milvus Lite knows three: a backslash before a backslash,
before a quote and before a line break; all else stands for itself, and a carriage return alone cannot be written.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Sequence
from typing import TypeAlias

import numpy as np

from milvus_hash.errors import InputError
from milvus_hash.query.expression import TEXT

Value: TypeAlias = str | int | float

_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|(.))", re.DOTALL)
_UNKNOWN_TO_LITE = re.compile(r"(?<!\\)(?:\\\\)*\\[abfnrtvxuU0-7]")
_NAMED = dict(zip("abfnrtv", "\a\b\f\n\r\t\v", strict=True))
_FOR_LITE = re.compile(r"[\\\"]|\r?\n")
_LONE_RETURN = re.compile(r"\r(?!\n)")


def quoted(value: Value | Sequence[Value], *, lite: bool = False) -> str:
    r"""A value as filters write it: a text in quotes with its escapes, a number, a truth value, or a list of these.

    What a user typed, put into a filter with this, is never more than a value: ``filter=f"tenant == {quoted(name)}"``.

    Args:
        value: A text, an integer of 64 bits, a finite float, a bool (those of numpy too), or a list of them.
        lite: For Milvus Lite itself. Searches and other calls of this package translate what is written for a server.

    Raises:
        InputError: It is something else, or Milvus Lite cannot read it; see :func:`is_quotable`.

    Example:
        >>> quoted('a "b"\n'), quoted('a "b"\n', lite=True), quoted([7, 0.5, True])
        ('"a \\"b\\"\\n"', '"a \\"b\\"\\\n"', '[7, 0.5, true]')
    """
    if isinstance(value, list | tuple):
        return f"[{', '.join(quoted(one, lite=lite) for one in value)}]"
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool | int | float):
        return _number(value)
    if not isinstance(value, str):
        raise InputError(
            f"{value!r} is no value of a filter: a text, a number, a bool or a list of them is needed; "
            "for rows without a value leave the field out, or write a filter"
        )
    if not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
        raise InputError(f"{value!r} has half of a surrogate pair, which Milvus cannot be sent")
    if not lite:
        return json.dumps(value, ensure_ascii=False)
    if not is_quotable(value, lite=lite):
        raise InputError(f"{value!r} has a carriage return, which no filter of Milvus Lite can name: use a server")
    return '"' + _FOR_LITE.sub(r"\\\g<0>", value) + '"'


def _number(value: float) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"{value!r} is no value of a filter, as no row equals it: take a finite number")
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise InputError(f"{value!r} is beyond the integers of 64 bits that Milvus has: take a float or a text")
    return json.dumps(value)


def is_quotable(value: str | int, *, lite: bool) -> bool:
    r"""Whether a filter can name this value: always, but for a carriage return alone in Milvus Lite.

    Example:
        >>> is_quotable("a\r\nb", lite=True), is_quotable("a\rb", lite=True)
        (True, False)
    """
    return not lite or isinstance(value, int) or _LONE_RETURN.search(value) is None


def one_of(field: str, values: Iterable[str | int], *, lite: bool) -> str:
    r"""A filter for the rows with one of these values; pymilvus' own ``ids=`` does not escape quotes.

    Example:
        >>> one_of("pk", ["a", 'b"'], lite=False)
        'pk in ["a", "b\\""]'
    """
    return f"{field} in [{', '.join(quoted(value, lite=lite) for value in values)}]"


def between(field: str, *, above: str | int | None = None, up_to: str | int | None = None, lite: bool) -> str:
    """A filter for the rows with ``above < field <= up_to``; either may be open.

    Example:
        >>> between("pk", above=7, lite=False), between("pk", above="a", up_to="b", lite=False)
        ('pk > 7', 'pk > "a" and pk <= "b"')
    """
    bounds = ((">", above), ("<=", up_to))
    return " and ".join(f"{field} {sign} {quoted(value, lite=lite)}" for sign, value in bounds if value is not None)


def as_lite_reads(condition: str) -> str:
    r"""A filter as a server would read it, so that Milvus Lite reads the same: texts have their escapes resolved.

    Raises:
        InputError: A text has a carriage return alone.

    Example:
        >>> as_lite_reads(r'name == "a\tb" and year > 3')
        'name == "a\tb" and year > 3'
    """
    return TEXT.sub(lambda found: _resolved(found[0]), condition)


def _resolved(literal: str) -> str:
    if not _UNKNOWN_TO_LITE.search(literal):
        return literal
    text = _ESCAPE.sub(_character, literal[1:-1]).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return quoted(text, lite=True)


def _character(escape: re.Match[str]) -> str:
    *hexadecimal, octal, other = escape.groups()
    if other is not None:
        return _NAMED.get(other, other)
    number = int(octal, 8) if octal else int(next(digits for digits in hexadecimal if digits), 16)
    return chr(number) if number < 0x110000 else escape[0]
