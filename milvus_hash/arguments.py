"""Arguments that cannot be meant so: what the caller wrote, and the next step."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from milvus_hash.errors import InputError


def check_arguments(given: Iterable[str], known: Iterable[str]) -> None:
    """Refuse arguments that do not exist, in the words of the caller's own call.

    Raises:
        TypeError: As Python itself does, of inner functions, which would tell the caller nothing.

    Example:
        >>> check_arguments(["limt"], ["limit", "offset"])
        Traceback (most recent call last):
        TypeError: there is no argument 'limt', but 'limit'; the arguments are limit, offset
    """
    names = list(known)
    for name in given:
        if name not in names:
            near = "".join(f", but {close!r}" for close in get_close_matches(name, names, 1))
            raise TypeError(f"there is no argument {name!r}{near}; the arguments are {', '.join(names)}")


def check_encoder(encoder: object) -> None:
    """Refuse what is no encoder, such as the path of its bundle.

    Raises:
        InputError: The message says how to make one.
    """
    if not hasattr(encoder, "bundle"):
        raise InputError(f"encoder is a {type(encoder).__name__}: Encoder.load(path) makes one of a bundle")
