r"""Texts between quotes, as filters write them, and as the one or the other Milvus Lite reads them.

A server reads the escapes of JSON and C. Milvus Lite 2 knows three: a backslash before a backslash, before a quote and
before a line break; all else stands for itself, and a carriage return alone cannot be written. Milvus Lite 3 knows
``\\``, ``\"``, ``\'``, ``\n``, ``\r`` and ``\t``.
"""

from __future__ import annotations

import re

TEXT = re.compile(r""""(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'""", re.DOTALL)
"""A text between quotes, with what is escaped in it."""

_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|(.))", re.DOTALL)
_NAMED = dict(zip("abfnrtv", "\a\b\f\n\r\t\v", strict=True))
_FOR_LITE_3 = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n", "\r": r"\r"})


def read(literal: str) -> str:
    r"""What a server reads between the quotes.

    Example:
        >>> read(r'"a\tb\u0041"')
        'a\tbA'
    """
    return _ESCAPE.sub(_character, literal[1:-1]).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def as_lite3_reads(condition: str) -> str:
    r"""A filter as a server would read it, so that Milvus Lite 3 reads the same.

    Example:
        >>> as_lite3_reads(r'name == "a\u0041\n" and year > 3')
        'name == "aA\\n" and year > 3'
    """
    return TEXT.sub(lambda found: f'"{read(found[0]).translate(_FOR_LITE_3)}"', condition)


def _character(escape: re.Match[str]) -> str:
    *hexadecimal, octal, other = escape.groups()
    if other is not None:
        return _NAMED.get(other, other)
    number = int(octal, 8) if octal else int(next(digits for digits in hexadecimal if digits), 16)
    return chr(number) if number < 0x110000 else escape[0]
