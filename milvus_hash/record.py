"""What travels through an ingest: a record, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MODALITIES = ("image", "text", "video")
"""What an item can be encoded from."""


@dataclass(frozen=True, slots=True)
class Record:
    """One row of a manifest on its way to Milvus.

    Attributes:
        id: The item's name, unique in its manifest.
        image: Path of its picture, absolute or relative to the working directory.
        video: Path of its clip.
        texts: Its texts, in order; the position is the row's ordinal in Milvus.
        labels: Its labels; two items are relevant to each other when they share one.
        splits: Any of ``train``, ``val``, ``query``, ``database``.
        metadata: Every other column.
    """

    id: str
    image: str | None = None
    video: str | None = None
    texts: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    splits: tuple[str, ...] = ("database",)
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reject:
    """An input that could not be used: one line of the rejects file."""

    id: str
    path: str
    reason: str
