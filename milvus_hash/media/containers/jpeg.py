"""JPEG: a row of segments, then the entropy-coded scans."""

from __future__ import annotations

import struct

from milvus_hash.media import orientation
from milvus_hash.media.containers.contents import Contents, check_parts

_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # the headers that state size and components
_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_BARE = frozenset({0x01, *range(0xD0, 0xD9)})  # markers without a segment
_SCAN, _END = 0xDA, 0xD9


def contents(data: bytes, every_frame: bool) -> Contents:
    """Keep the first picture and what decoders need: tables, frame header, scans, and who defines the colours."""
    view = memoryview(data)
    kept = [view[:2]]
    exif = xmp = None
    size, coefficients, several = (0, 0), 0, False
    at = 2
    while (at := data.find(b"\xff", at)) >= 0:
        marker = data[at + 1] if at + 1 < len(data) else _END
        if marker in (0x00, 0xFF) or marker in _BARE:  # padding, or a remainder of something
            at += 1 if marker == 0xFF else 2
            continue
        if marker in (_SCAN, _END):
            break
        (length,) = struct.unpack_from(">H", data, at + 2)
        body = data[at + 4 : at + 2 + length]
        if marker in _FRAMES:
            height, width, components = struct.unpack_from(">HHB", body, 1)
            size, several = (width, height), marker in _PROGRESSIVE
            coefficients = 2 * width * height * components
        elif marker == 0xE1 and exif is None and body.startswith(orientation.EXIF):
            exif = body
        elif marker == 0xE1 and xmp is None and body.startswith(_XMP):
            xmp = body
        if (not 0xE0 <= marker <= 0xEF and marker != 0xFE) or _names_colours(marker, body):
            kept.append(view[at : at + 2 + length])
            check_parts(kept)
        at += 2 + max(2, length)
    scans = data.count(b"\xff\xda", at) if at >= 0 else 0
    return Contents(
        b"".join([*kept, view[at:] if at >= 0 else b""]),
        "JPEG",
        size,
        orientation.find(exif, xmp),
        scans,
        coefficients if several or scans > 1 else 0,  # these are kept until the last scan is read
    )


def _names_colours(marker: int, body: bytes) -> bool:
    return (marker == 0xE0 and body.startswith(b"JFIF\0")) or (marker == 0xEE and body.startswith(b"Adobe"))
