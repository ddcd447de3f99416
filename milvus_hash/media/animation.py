"""Animated WebP, GIF and PNG by Pillow: how long they are, and one frame after the other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from milvus_hash.errors import InputError
from milvus_hash.media.image import check_pixels, pillow_errors, plain_file, reason

if TYPE_CHECKING:
    from PIL import Image

_ANIMATED = ("GIF", "WEBP", "PNG")
_PICTURES = (*_ANIMATED, "JPEG", "BMP", "TIFF")  # by their first bytes; Pillow's other formats are too easily taken in
_DEFAULT = 100.0  # milliseconds of a frame whose duration is 0 or missing, as browsers have it


def frame_count(source: str | Path | bytes, name: str) -> int:
    """How many frames ``source`` has, going by its header: 1 for a picture that does not move, 0 for no picture.

    Raises:
        InputError: It is a picture, and broken from the start or too large.
    """
    from PIL import UnidentifiedImageError

    with _breaking_off(name, 0):
        try:
            with _open(source, name) as picture:
                return len(_numbers(picture))
        except UnidentifiedImageError:
            return 0


def duration(source: str | Path | bytes, name: str) -> float:
    """How long the animation is, in milliseconds.

    Raises:
        InputError: As :func:`frames`.
    """
    with _breaking_off(name, 0), _open(source, name) as picture:
        return sum(_shown_for(picture, number, name) for number in _numbers(picture))


def frames(source: str | Path | bytes, name: str) -> Iterator[tuple[float, Image.Image]]:
    """When each frame begins, in milliseconds, and the frame, composed with those before it, in any mode.

    Raises:
        InputError: It breaks off, or its frames are too large.
    """
    with _breaking_off(name, 0):
        picture = _open(source, name)
        numbers = _numbers(picture)
    with picture:
        begin = 0.0
        for number in numbers:
            length = _shown_for(picture, number, name)
            yield begin, picture.copy()
            begin += length


def _open(source: str | Path | bytes, name: str) -> Image.Image:
    from PIL import Image

    picture = Image.open(plain_file(source, name, "video"), formats=_PICTURES)
    check_pixels(*picture.size, name)
    return picture


def _numbers(picture: Image.Image) -> range:
    """The frames of an animation by their numbers in the file; one for anything else."""
    if picture.format not in _ANIMATED or not getattr(picture, "is_animated", False):
        return range(1)
    start = 1 if picture.info.get("default_image") else 0  # a PNG's stand-in for viewers that cannot animate
    return range(start, picture.n_frames)  # type: ignore[attr-defined]


def _shown_for(picture: Image.Image, number: int, name: str) -> float:
    """Decode frame ``number`` and return for how many milliseconds it is on show."""
    with _breaking_off(name, number):
        picture.seek(number)
        picture.load()
    return float(picture.info.get("duration") or _DEFAULT)


@contextmanager
def _breaking_off(name: str, number: int) -> Iterator[None]:
    """Say of what goes wrong inside after how many frames it did."""
    from PIL import Image, UnidentifiedImageError

    with pillow_errors(name):
        try:
            yield
        except (InputError, MemoryError, Image.DecompressionBombError, UnidentifiedImageError):
            raise
        except Exception as error:  # Pillow's decoders raise whatever a broken file provokes in them
            raise InputError(f"{name} breaks off after {number} frames: {reason(error)}") from error
