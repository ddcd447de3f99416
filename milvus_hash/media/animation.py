"""Animated WebP, GIF and PNG by Pillow: the frames that are asked for, one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from milvus_hash.errors import InputError
from milvus_hash.media import opening
from milvus_hash.media.colour import to_rgb
from milvus_hash.media.containers.contents import Contents
from milvus_hash.media.files import reason

if TYPE_CHECKING:
    from PIL import Image

_DEFAULT = 100.0  # milliseconds of a frame whose duration is 0 or missing, as browsers have it


def begins(contents: Contents) -> list[float]:
    """When each frame begins, in milliseconds, and when the last one ends."""
    times = [0.0]
    for duration in contents.durations:
        times.append(times[-1] + (duration or _DEFAULT))
    return times


def frames(contents: Contents, name: str, numbers: Sequence[int]) -> Iterator[Image.Image]:
    """The frames of the ascending ``numbers``, each composed with those before it, in RGB on white.

    Raises:
        InputError: One of them, or one before it, is broken.
    """
    first = int(contents.stand_in)
    with opening.decoder(contents, name) as picture:
        done = 0
        for wanted in numbers:
            for number in range(done, wanted + 1):
                with _breaking_off(name, number):
                    picture.seek(first + number)
                    picture.load()
            done = wanted
            yield to_rgb(picture)


@contextmanager
def _breaking_off(name: str, number: int) -> Iterator[None]:
    """Say of what goes wrong inside after how many frames it did."""
    try:
        yield
    except (InputError, MemoryError):
        raise
    except Exception as error:  # Pillow's decoders raise whatever a broken file provokes in them
        raise InputError(f"{name} breaks off after {number} frames: {reason(error)}") from error
