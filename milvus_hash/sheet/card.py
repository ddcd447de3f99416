"""What a card shows of a hit, drawn or written: its picture, its caption, its colours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from milvus_hash.errors import InputError, MissingExtra
from milvus_hash.media.modalities import MODALITIES

if TYPE_CHECKING:
    from PIL import Image

    from milvus_hash.query.hits import Hit

SIDE = 176  # of a thumbnail, in pixels
PAPER, CARD, EDGE, INK, SOFT, ACCENT = "#f4f5f7", "#ffffff", "#d9dee5", "#1c2530", "#66717f", "#0a62b5"
KINDS = {name: medium.noun.upper() for name, medium in MODALITIES.items()}
GONE = {name: f"no {medium.noun if medium.suffixes else 'picture'}" for name, medium in MODALITIES.items()}
_SHOWN = 600  # characters of a text that can matter on a card


def caption(hit: Hit) -> str:
    """What is written below a hit's name."""
    return f"distance {hit.distance} · score {hit.score:.2f}"


def plain(text: str) -> str:
    """One line of what can be printed; a card shows the beginning only."""
    line = " ".join(text[:_SHOWN].split())
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in line)


def thumbnails(modality: str, path: str, side: int, frames: int = 1) -> list[Image.Image]:
    """Square thumbnails on white: one of a picture, ``frames`` of a clip, none where it cannot be read."""
    from PIL import Image

    from milvus_hash.bundle import ImageInput, VideoInput
    from milvus_hash.media.image import load_image
    from milvus_hash.media.video import load_video

    try:
        if modality == "video":
            return [Image.fromarray(frame) for frame in load_video(path, VideoInput(side, "pad", frames))]
        return [Image.fromarray(load_image(path, ImageInput(side, "pad")))]
    except (InputError, MissingExtra):
        return []
