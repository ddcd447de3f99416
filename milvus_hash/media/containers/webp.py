"""WebP: a RIFF file, one chunk of pixels, or of an animation one for each frame."""

from __future__ import annotations

import struct

from milvus_hash.media import orientation
from milvus_hash.media.containers.contents import BreaksOff, Contents, check_parts

_KEPT = frozenset({b"VP8X", b"ANIM", b"ANMF", b"ALPH", b"VP8 ", b"VP8L"})
_PIXELS = frozenset({b"ANMF", b"VP8 ", b"VP8L"})
_HAS_METADATA = 0x20 | 0x08 | 0x04  # profile, EXIF, XMP: bits of the first byte of VP8X


def contents(data: bytes, every_frame: bool) -> Contents:
    """Keep the canvas and the pixels: of the first frame, or of all if they are asked for."""
    view = memoryview(data)
    kept: list[bytes | memoryview] = []
    exif = xmp = size = None
    durations: list[float] = []
    seen_pixels = False
    at = 12
    while at + 8 <= len(data):
        name, length = struct.unpack_from("<4sI", data, at)
        end = at + 8 + length
        begin, at = at, end + length % 2
        body = bytes(view[begin + 8 : min(end, begin + 24)])  # of pixels, all that is asked for here
        if name == b"EXIF":
            exif = exif or data[begin + 8 : end]
        elif name == b"XMP ":
            xmp = xmp or data[begin + 8 : end]
        elif name in _KEPT and (name not in _PIXELS or every_frame or not durations):
            if name == b"VP8X":
                size = _canvas(body)
                kept += [view[begin : begin + 8], bytes([body[0] & ~_HAS_METADATA & 0xFF]), view[begin + 9 : at]]
                continue
            elif name == b"ANMF":
                if end > len(data) and every_frame:
                    raise BreaksOff(len(durations))
                durations.append(float(int.from_bytes(body[12:15], "little")))
            size = size or _bare(name, body)
            seen_pixels = seen_pixels or name in _PIXELS
            check_parts(kept)
            kept += [view[begin:at], b"\0" * (len(view[begin:at]) % 2)]
    if not seen_pixels:
        raise BreaksOff(0)
    riff = b"".join(kept)
    return Contents(
        b"RIFF" + struct.pack("<I", 4 + len(riff)) + b"WEBP" + riff,
        "WEBP",
        size or (0, 0),
        orientation.find(exif, xmp),
        durations=tuple(durations) if len(durations) > 1 else (),
    )


def _canvas(body: bytes) -> tuple[int, int]:
    return int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1


def _bare(name: bytes, body: bytes) -> tuple[int, int] | None:
    """The size in the pixels' own header."""
    if name == b"VP8 " and len(body) >= 10:
        width, height = struct.unpack_from("<HH", body, 6)
        return width & 0x3FFF, height & 0x3FFF
    if name == b"VP8L" and len(body) >= 5:
        bits = int.from_bytes(body[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return None
