"""Pictures for tests: encoded by Pillow, or put together from their parts."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence

import numpy as np
from PIL import Image

CORNERS = ((200, 30, 30), (30, 160, 30), (30, 30, 200), (220, 200, 40))
"""The colours of :func:`quarters`: top left, top right, bottom left, bottom right."""

XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
"""Says that a picture is to be turned by 90 degrees clockwise."""


def quarters(width: int = 48, height: int = 32) -> Image.Image:
    """A picture whose orientation can be told from its corners."""
    picture = Image.new("RGB", (width, height))
    for index, colour in enumerate(CORNERS):
        picture.paste(colour, (width // 2 * (index % 2), height // 2 * (index // 2), width, height))
    return picture


def encoded(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def exif(orientation: int) -> bytes:
    """The smallest EXIF that turns a picture, as in a JPEG."""
    return b"Exif\0\0II*\0\x08\0\0\0\x01\0" + struct.pack("<HHIHHI", 0x112, 3, 1, orientation, 0, 0)


def chunk(name: bytes, body: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(width: int, height: int, depth: int, kind: int, rows: bytes, *between: bytes) -> bytes:
    """A PNG of unpacked ``rows`` with chunks between its header and its pixels."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(rows))
    return b"".join([b"\x89PNG\r\n\x1a\n", header, *between, pixels, chunk(b"IEND", b"")])


def with_chunks(data: bytes, *more: bytes) -> bytes:
    """A PNG with further chunks after its header."""
    return b"".join([data[:33], *more, data[33:]])


def with_segments(data: bytes, *more: tuple[int, bytes]) -> bytes:
    """A JPEG with further segments, each a marker's second byte and a body, at its beginning."""
    segments = (struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body for marker, body in more)
    return b"".join([data[:2], *segments, data[2:]])


def tiff(pixels: np.ndarray, tags: Sequence[tuple[int, int, Sequence[int]]] = (), order: str = "<") -> bytes:
    """An uncompressed grey TIFF in one strip; ``tags`` (number, type 3 or 4, values) are added to or replace others."""
    kinds = {"u": 1, "i": 2, "f": 3}
    height, width = pixels.shape
    found = {
        256: (4, [width]),
        257: (4, [height]),
        258: (3, [8 * pixels.itemsize]),
        259: (3, [1]),
        262: (3, [1]),
        273: (4, [8]),
        277: (3, [1]),
        278: (4, [height]),
        279: (4, [pixels.nbytes]),
        339: (3, [kinds[pixels.dtype.kind]]),
    } | {tag: (kind, list(values)) for tag, kind, values in tags}
    data = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
    after = 8 + len(data) + 2 + 12 * len(found) + 4
    entries, values_after = b"", b""
    for tag, (kind, values) in sorted(found.items()):
        packed = struct.pack(f"{order}{len(values)}{'HI'[kind - 3]}", *values)
        if len(packed) > 4:
            packed, values_after = struct.pack(order + "I", after + len(values_after)), values_after + packed
        entries += struct.pack(order + "HHI", tag, kind, len(values)) + packed.ljust(4, b"\0")
    header = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8 + len(data))
    return header + data + struct.pack(order + "H", len(found)) + entries + bytes(4) + values_after


def gif(width: int, height: int, frames: int) -> bytes:
    """A GIF of many frames, each of which changes one pixel."""
    canvas = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    frame = struct.pack("<BBBBHBB", 0x21, 0xF9, 4, 4, 2, 0, 0) + struct.pack("<BHHHHB", 0x2C, 0, 0, 1, 1, 0)
    return canvas + (frame + b"\x02\x02\x44\x01\x00") * frames + b";"
