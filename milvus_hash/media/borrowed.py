"""A Pillow image that belongs to the caller: its pixels are looked at, and it stays as it is.

An image that Pillow opened is decoded when it is first used, and that closes its file, moves its position and, for a
JPEG in draft mode, changes its size and mode. So one that is not decoded yet is opened a second time from its file.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from milvus_hash.errors import InputError
from milvus_hash.media import opening, orientation
from milvus_hash.media.containers.contents import Contents

if TYPE_CHECKING:
    from PIL import Image

_reading = threading.Lock()  # two decoding threads may hold one image, whose file has one position


@contextmanager
def kept_as_it_is(picture: Image.Image, name: str) -> Iterator[Image.Image | Contents]:
    """What to read in the place of ``picture``: what is in its file, its twin at the same frame, or itself.

    Raises:
        InputError: Decoding it would start another program, as with PostScript, or it cannot be read.
    """
    from PIL.ImageFile import ImageFile, StubImageFile

    if not isinstance(picture, ImageFile) or _is_decoded(picture):
        yield picture
        return
    if isinstance(picture, StubImageFile) or picture.format == "EPS":
        raise InputError(f"{name} is {picture.format}, which other programs decode: draw it, and give the pixels")
    with opening.errors(name):
        data = _bytes_of(picture)
        if data is None:  # its file is gone from it, so it is decoded as by any other use
            picture.load()
            yield picture
        elif picture.tell() == 0 and (contents := opening.read(data, name)) is not None:
            yield contents
        else:
            with type(picture)(io.BytesIO(data), "") as twin:
                twin.seek(picture.tell())
                twin.load()
                yield twin


def orientation_of(picture: Image.Image) -> int:
    """How ``picture`` is to be turned, by the metadata that Pillow keeps beside its pixels."""
    exif, xmp = picture.info.get("exif"), picture.info.get("xmp")
    return orientation.find(*(value if isinstance(value, bytes) else None for value in (exif, xmp)))


def _is_decoded(picture: Image.Image) -> bool:
    return not getattr(picture, "tile", None) and getattr(picture, "_im", None) is not None


def _bytes_of(picture: Image.Image) -> bytes | None:
    """All bytes of the file that ``picture`` was opened from, whose position stays; None if it cannot be read."""
    file: IO[bytes] | None = getattr(picture, "fp", None)
    try:
        with _reading:
            if file is None or file.closed:
                return None
            position = file.tell()
            try:
                file.seek(0)
                return file.read()
            finally:
                file.seek(position)
    except (OSError, ValueError, AttributeError):
        return None
