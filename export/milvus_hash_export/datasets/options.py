"""Options of a data set: the keyword arguments of its function, given as text."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from milvus_hash.errors import InputError


def parse_options(read: Callable[..., Any], options: Mapping[str, str]) -> dict[str, Any]:
    """Keyword arguments for ``read``; a value gets the type of the argument's default, a string or an int.

    Raises:
        InputError: ``read`` has no option of a name, or a value is not a number where one is needed.

    Example:
        >>> from milvus_hash_export.datasets import DATASETS
        >>> parse_options(DATASETS["coco"], {"split": "hashing", "query": "100"})
        {'split': 'hashing', 'query': 100}
    """
    known = {
        name: parameter.default
        for name, parameter in inspect.signature(read).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    if unknown := sorted(set(options) - set(known)):
        has = f"its options are {', '.join(known)}" if known else "it has no options"
        raise InputError(f"the data set has no option {unknown[0]!r}; {has}")
    values = {}
    for name, text in options.items():
        try:
            values[name] = type(known[name])(text)
        except ValueError:
            raise InputError(f"option {name} is {text!r}; a number is needed, like {known[name]}") from None
    return values
