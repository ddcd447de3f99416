"""What travels through an ingest: a record, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from milvus_hash.arguments import plain_methods
from milvus_hash.media.modalities import FILES

if TYPE_CHECKING:
    from milvus_hash.media.image import ImageSource
    from milvus_hash.media.video import VideoSource


@plain_methods
@dataclass(frozen=True, slots=True)
class Record:
    """One row of a manifest on its way to Milvus.

    One text, label or split may stand alone, and None for none.

    Attributes:
        id: The item's name, unique in its manifest.
        image: Path of its picture, absolute or relative to the working directory; or another
            :data:`~milvus_hash.media.image.ImageSource`, which leaves no path in Milvus.
        video: Path of its clip, or another :data:`~milvus_hash.media.video.VideoSource`.
        texts: Its texts, in order; the position is the row's ordinal in Milvus.
        labels: Its labels; two items are relevant to each other when they share one.
        splits: Any of ``train``, ``val``, ``query``, ``database``.
        metadata: Every other column.
    """

    id: str
    image: ImageSource | None = None
    video: VideoSource | None = None
    texts: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    splits: tuple[str, ...] = ("database",)
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make tuples of what stands alone: a string is a sequence too, of letters."""
        for name in ("texts", "labels", "splits"):
            value = getattr(self, name)
            if value is None or isinstance(value, (str, bytes)):
                object.__setattr__(self, name, () if value is None else (value,))

    @property
    def files(self) -> dict[str, Any]:
        """What it has of pictures, clips and the like, by modality."""
        found = ((name, getattr(self, name)) for name in FILES)
        return {name: source for name, source in found if source is not None and not _is_empty(source)}


@dataclass(frozen=True, slots=True)
class Reject:
    """An input that could not be used: one line of the rejects file."""

    id: str
    path: str
    reason: str


def _is_empty(source: object) -> bool:
    return isinstance(source, str) and not source


def path_of(source: object) -> str:
    """The path of a picture or clip; empty for one in memory."""
    return str(source) if isinstance(source, (str, Path)) else ""
