"""A question with what was found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from milvus_hash.query.hits import Hit


@dataclass(frozen=True, slots=True)
class Answer:
    """One question, a text or the path of a picture or clip, and its hits in their order."""

    hits: Sequence[Hit]
    text: str | None = None
    image: str | None = None
    video: str | None = None

    @property
    def asked(self) -> tuple[str, str]:
        """The question's modality, and the text or path."""
        if self.text is not None:
            return "text", self.text
        return ("image", self.image or "") if self.video is None else ("video", self.video)
