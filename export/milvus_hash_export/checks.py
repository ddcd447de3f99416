"""What settings may be: each check refuses by name, with the value and what is allowed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from milvus_hash.errors import InputError


def check_choice(settings: object, name: str, allowed: Iterable[str]) -> None:
    """Refuse a setting that is none of the ``allowed``."""
    if (value := getattr(settings, name)) not in (choices := tuple(allowed)):
        raise InputError(f"{name} is {value!r}; one of {', '.join(choices)} is needed")


def check_least(settings: object, least: float, *names: str) -> None:
    """Refuse settings below ``least``, and those that are no numbers."""
    for name in names:
        if not (value := getattr(settings, name)) >= least:
            raise InputError(f"{name} is {value}; at least {least} is needed")


def check_positive(settings: object, name: str) -> None:
    """Refuse a setting that is not above 0."""
    if not (value := getattr(settings, name)) > 0:
        raise InputError(f"{name} is {value}; more than 0 is needed")


def check_shares(settings: Any, *names: str) -> None:  # noqa: ANN401 (the options of any method)
    """Refuse shares outside 0 to below 1: those named, and every setting that ends in ``dropout``."""
    for name in (*names, *(field.name for field in fields(settings) if field.name.endswith("dropout"))):
        if not 0 <= (value := getattr(settings, name)) < 1:
            raise InputError(f"{name} is {value}; a share from 0 to below 1 is needed")
