"""A question: what is asked for, as logits and as the code that Milvus is asked with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from milvus_hash.codes import check
from milvus_hash.errors import InputError

if TYPE_CHECKING:
    from milvus_hash.encoder import Encoder
    from milvus_hash.media.image import ImageSource
    from milvus_hash.media.video import VideoSource


@dataclass(frozen=True, slots=True, eq=False)
class Query:
    """One question, encoded.

    Attributes:
        code: Packed bits uint8 ``(bits // 8,)``.
        logits: What the signs were taken of, float32 ``(bits,)``; None for a ready code, which cannot rescore.
    """

    code: NDArray[np.uint8]
    logits: NDArray[np.float32] | None = None


def ask(
    encoder: Encoder,
    bits: int,
    *,
    text: str | None = None,
    image: ImageSource | None = None,
    video: VideoSource | None = None,
    code: bytes | NDArray[np.uint8] | None = None,
) -> Query:
    """The question of exactly one of ``text``, ``image``, ``video``, ``code``.

    Raises:
        InputError: None or several are given, or the one cannot be encoded.
    """
    asked = {"text": text, "image": image, "video": video, "code": code}
    given = {name: value for name, value in asked.items() if value is not None}
    if len(given) != 1:
        what = " and ".join(given) or "nothing"
        raise InputError(f"a search takes exactly one of text, image, video and code; {what} is given")
    if code is not None:
        row = np.frombuffer(code, dtype=np.uint8) if isinstance(code, bytes) else code
        return Query(check(row[None] if isinstance(row, np.ndarray) else row, bits)[0])
    ((modality, source),) = given.items()
    encoded = encoder.encode(modality, [source], bits=bits)
    return Query(encoded.codes[0], encoded.logits[0])
