"""GIF: a canvas, then frames, each with an optional control block before it."""

from __future__ import annotations

import struct

from milvus_hash.media.containers.contents import BreaksOff, Contents, check_parts

_EXTENSION, _IMAGE, _TRAILER, _CONTROL = 0x21, 0x2C, 0x3B, 0xF9


def contents(data: bytes, every_frame: bool) -> Contents:
    """Keep the canvas and the frames with their controls: the first frame, or all if they are asked for."""
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    at = 13 + _palette(flags)
    view = memoryview(data)
    kept = [view[13:at]]
    durations: list[float] = []
    delay = 0.0
    control = view[:0]
    begin, kind = at, _TRAILER
    try:
        while at < len(data) and (kind := data[at]) != _TRAILER and (every_frame or not durations):
            begin = at
            if kind == _EXTENSION:
                at = _after_blocks(data, at + 2)
                if data[begin + 1] == _CONTROL and data[begin + 2] >= 4:
                    control = view[begin:at]
                    delay = 10.0 * struct.unpack_from("<H", control, 4)[0]
            elif kind == _IMAGE:
                left, top, wide, high, flags = struct.unpack_from("<HHHHB", data, at + 1)
                width, height = max(width, left + wide), max(height, top + high)  # as Pillow lets the canvas grow
                at = _after_blocks(data, at + 11 + _palette(flags))
                kept += [control, view[begin:at]]
                check_parts(kept)
                durations.append(delay)
                control, delay = view[:0], 0.0
            else:  # filling between blocks
                at += 1
    except (IndexError, struct.error):
        if every_frame:
            raise BreaksOff(len(durations)) from None
        kept += [control, view[begin:]] if kind == _IMAGE and not durations else []
    canvas = data[:6] + struct.pack("<HH", min(width, 65535), min(height, 65535)) + data[10:13]
    return Contents(
        b"".join([canvas, *kept, b";"]),
        "GIF",
        (width, height),
        durations=tuple(durations) if len(durations) > 1 else (),
    )


def _palette(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _after_blocks(data: bytes, at: int) -> int:
    while length := data[at]:
        at += 1 + length
    return at + 1
