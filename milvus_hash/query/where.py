"""Conditions as Python values: ``where={"brand": "nike"}``, so that no text of a user becomes a filter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from milvus_hash.errors import InputError
from milvus_hash.query.expression import fields_in, words
from milvus_hash.query.filters import both
from milvus_hash.query.quoting import quoted

Where: TypeAlias = Mapping[str, Any] | None


def narrowed(condition: str, where: Where) -> str:
    """A filter for the rows that meet ``condition`` and have the values of ``where``.

    Args:
        condition: A Milvus expression, or nothing.
        where: By field the value that a row has to have, or a list of those that it may have; nothing for any.

    Raises:
        InputError: The condition could leave its parentheses, or a name or a value of ``where`` cannot be used.

    Example:
        >>> narrowed("year > 3 or year < 1", {"brand": "nike", "size": [41, 42]})
        '(year > 3 or year < 1) and (brand == "nike" and size in [41, 42])'
    """
    if where is None:
        return condition
    words(condition)
    if not isinstance(where, Mapping):
        raise InputError(f'where is a {type(where).__name__}: values by field are needed, as in {{"brand": "nike"}}')
    return both(condition.strip(), " and ".join(_condition(name, value) for name, value in where.items()))


def _condition(name: str, value: object) -> str:
    if not isinstance(name, str) or not name.isascii() or not name.isidentifier() or fields_in(name) != [name]:
        raise InputError(f"where: {name!r} is no plain name of a field; write a filter for it, with quoted(value)")
    if isinstance(value, list | tuple | set | frozenset):
        if not value:
            raise InputError(f"where: {name!r} may have none of no values, which no row meets: ask with one at least")
        return f"{name} in {_quoted(name, list(value))}"
    return f"{name} == {_quoted(name, value)}"


def _quoted(name: str, value: Any) -> str:  # noqa: ANN401 (a value of the user)
    try:
        return quoted(value)
    except InputError as error:
        raise InputError(f"where: {name!r}: {error}") from error
