"""How a picture is to be turned before it is shown: from EXIF, else from XMP; 1 where neither says it.

Read here and applied to the pixels alone. Pillow's own reader takes all tags, stumbles over broken ones, and writes
them back after turning.
"""

from __future__ import annotations

import re
import struct

EXIF = b"Exif\0\0"
"""What stands before the tags in a JPEG, and often elsewhere."""

_TAG = 0x112
_FORMATS = {1: "B", 3: "H", 4: "I"}  # type of the tag's value: it should be a short; others are met
_IN_XMP = re.compile(rb"tiff:Orientation\s*(?:=\s*[\"']|>)\s*([1-8])\s*[\"'<]")


def find(exif: bytes | None, xmp: bytes | None) -> int:
    """The orientation as EXIF numbers it, 1 to 8.

    Example:
        >>> find(None, b"<rdf:Description tiff:Orientation='6'/>")
        6
    """
    return _in_exif(exif or b"") or _in_xmp(xmp or b"") or 1


def _in_exif(exif: bytes) -> int | None:
    """The value of the tag in a TIFF header and its first directory; None where there is none that makes sense."""
    while exif.startswith(EXIF):
        exif = exif.removeprefix(EXIF)
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None or len(exif) < 8:
        return None
    (at,) = struct.unpack_from(order + "I", exif, 4)
    if at + 2 > len(exif):
        return None
    (count,) = struct.unpack_from(order + "H", exif, at)
    for entry in range(at + 2, min(at + 2 + 12 * count, len(exif) - 11), 12):
        tag, kind = struct.unpack_from(order + "HH", exif, entry)
        if tag == _TAG and kind in _FORMATS:
            value = int(struct.unpack_from(order + _FORMATS[kind], exif, entry + 8)[0])
            return value if 1 <= value <= 8 else None
    return None


def _in_xmp(xmp: bytes) -> int | None:
    found = _IN_XMP.search(xmp)
    return int(found[1]) if found else None
