"""The one place where a picture's file is opened: formats by name, metadata left out, limits checked before decoding.

Pillow's own ``Image.open`` tries every format that it knows, among them such that start other programs (PostScript),
and warns of metadata and sizes through filters that belong to the whole process. Here the first bytes choose one format
of a list, and its decoder is called by itself.
"""

from __future__ import annotations

import importlib
import io
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from milvus_hash.errors import InputError
from milvus_hash.media import limits
from milvus_hash.media.containers import avif, gif, ico, jpeg, png, tiff, webp
from milvus_hash.media.containers.contents import BreaksOff, Contents
from milvus_hash.media.files import check_file, reason

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile


@dataclass(frozen=True, slots=True)
class _Format:
    """How a format is told, taken apart and decoded.

    Attributes:
        suffixes: What its files are called; what they are is told by their first bytes.
        decoder: Module and class in Pillow.
        memory: Bytes of memory that decoding a pixel takes, measured.
        moving: The same for a pixel of an animation, whose frames are laid on each other.
        contents: What leaves its metadata out; None for formats whose metadata is harmless.
    """

    suffixes: tuple[str, ...]
    decoder: tuple[str, str]
    memory: int
    moving: int = 0
    contents: Callable[[bytes, bool], Contents] | None = None


_FORMATS = {
    "JPEG": _Format((".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"), ("Jpeg", "JpegImageFile"), 4, 0, jpeg.contents),
    "PNG": _Format((".png", ".apng"), ("Png", "PngImageFile"), 4, 24, png.contents),
    "WEBP": _Format((".webp",), ("WebP", "WebPImageFile"), 18, 32, webp.contents),
    "GIF": _Format((".gif",), ("Gif", "GifImageFile"), 4, 24, gif.contents),
    "BMP": _Format((".bmp", ".dib"), ("Bmp", "BmpImageFile"), 4),
    "TIFF": _Format((".tif", ".tiff"), ("Tiff", "TiffImageFile"), 4, 0, tiff.contents),
    "AVIF": _Format((".avif",), ("Avif", "AvifImageFile"), 16, 0, avif.contents),
    "JPEG2000": _Format((".jp2", ".j2k", ".jpx", ".jpf"), ("Jpeg2K", "Jpeg2KImageFile"), 24),
    "PPM": _Format((".ppm", ".pgm", ".pbm", ".pnm", ".pfm"), ("Ppm", "PpmImageFile"), 8),
    "TGA": _Format((".tga",), ("Tga", "TgaImageFile"), 4),
    "ICO": _Format((".ico",), ("Ico", "IcoImageFile"), 8, 0, ico.contents),
}

FORMATS = tuple(_FORMATS)
"""The formats of pictures that are read, by their names in Pillow."""

SUFFIXES = frozenset(suffix for entry in _FORMATS.values() for suffix in entry.suffixes)
"""What files of :data:`FORMATS` are called."""

_HEAD = 64  # bytes from which a format is told
_FOOT = b"TRUEVISION-XFILE."  # at the end of a TGA, which begins with nothing in particular


def read(source: str | Path | bytes, name: str, kind: str = "picture", *, every_frame: bool = False) -> Contents | None:
    """What is in a picture's file; None if it is no picture of a format in :data:`FORMATS`.

    Args:
        source: A path, or the bytes of a file.
        name: What messages call it.
        kind: What it should be, for messages.
        every_frame: Whether more than the first frame of an animation is wanted.

    Raises:
        InputError: It cannot be opened, is broken from the start, or takes too much to decode.
    """
    size = check_file(source, name, kind)
    with errors(name):
        if isinstance(source, bytes):
            data = source
        else:
            with Path(source).open("rb") as file:
                data = file.read(_HEAD)
                file.seek(max(0, size - len(_FOOT) - 1))
                if _identify(data, file.read()) is None:
                    return None
                limits.check_memory(2 * size, name)  # with and without its metadata
                file.seek(0)
                data = file.read(size)
        kind_of = _identify(data[:_HEAD], data[-len(_FOOT) - 1 :])
        if kind_of is None:
            return None
        take_apart = _FORMATS[kind_of].contents
        found = take_apart(data, every_frame) if take_apart else Contents(data, kind_of)
        if found.size is not None:
            _check(found, found.size, name)
        return found


@contextmanager
def decoder(contents: Contents, name: str) -> Iterator[ImageFile]:
    """Pillow's image of ``contents``, before its pixels are decoded.

    Raises:
        InputError: It is broken, or takes too much to decode. So do the errors of decoding it inside.
    """
    module, kind = _FORMATS[contents.format].decoder
    with errors(name):
        opened = getattr(importlib.import_module(f"PIL.{module}ImagePlugin"), kind)
        with opened(io.BytesIO(contents.file), "") as picture:
            _check(contents, picture.size, name)
            yield picture


@contextmanager
def errors(name: str) -> Iterator[None]:
    """Turn whatever goes wrong over ``name`` into InputError."""
    try:
        yield
    except InputError:
        raise
    except BreaksOff as error:
        raise InputError(f"{name} breaks off after {error.frames} frames: the file is truncated") from error
    except MemoryError as error:
        raise InputError(f"{name} does not fit into memory") from error
    except (struct.error, IndexError) as error:
        raise InputError(f"{name} cannot be decoded: a part of it is missing or damaged") from error
    except Exception as error:  # decoders raise whatever a broken file provokes in them
        raise InputError(f"{name} cannot be decoded: {reason(error)}") from error


def _identify(head: bytes, foot: bytes) -> str | None:
    """The format of a file by its first bytes, and for TGA by its last."""
    fixed = {
        b"\xff\xd8\xff": "JPEG",
        b"\x89PNG\r\n\x1a\n": "PNG",
        b"GIF87a": "GIF",
        b"GIF89a": "GIF",
        b"BM": "BMP",
        b"II*\0": "TIFF",
        b"MM\0*": "TIFF",
        b"II+\0": "TIFF",
        b"MM\0+": "TIFF",
        b"\xff\x4f\xff\x51": "JPEG2000",
        b"\0\0\0\x0cjP  \r\n\x87\n": "JPEG2000",
    }
    for beginning, kind in fixed.items():
        if head.startswith(beginning):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[4:8] == b"ftyp" and b"avif" in (head[8:12], *(head[at : at + 4] for at in range(16, len(head), 4))):
        return "AVIF"  # unlike `avis`, which moves
    if head[:1] == b"P" and head[1:2] in b"123456f" and head[2:3].isspace():
        return "PPM"
    if head[:4] == b"\0\0\1\0" and head[4:6] != b"\0\0" and head[9:10] == b"\0":
        return "ICO"
    return "TGA" if foot.startswith(_FOOT) else None


def _check(contents: Contents, size: tuple[int, int], name: str) -> None:
    """Hold ``contents``, of pixels of that size, against the limits."""
    width, height = size
    limits.check_pixels(width, height, name)
    entry = _FORMATS[contents.format]
    pixel = entry.moving if contents.durations else entry.memory
    limits.check_memory(len(contents.file) + contents.extra + pixel * width * height, name)
    limits.check_work(contents.scans, "scans", width, height, name)
    if contents.durations:
        limits.check_work(len(contents.durations), "frames", width, height, name)
