"""One line of a self-test's report, and how a check says what it found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """What one check found.

    Attributes:
        step: What was tried.
        state: ``ok``, ``not available`` (this Milvus does not have it, and the package does without) or ``failed``.
        seconds: That it took.
        detail: What was found, or the reason; without addresses and secrets.
    """

    step: str
    state: str
    seconds: float
    detail: str


class NotAvailable(Exception):
    """Raised by a check: this Milvus does not have what it is about."""


class Wrong(Exception):
    """Raised by a check: Milvus answered, and not what it should."""


def expect(right: bool, otherwise: str) -> None:
    """Raise :class:`Wrong` unless ``right``."""
    if not right:
        raise Wrong(otherwise)
