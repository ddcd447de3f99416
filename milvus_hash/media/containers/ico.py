"""ICO: several icons in one file, each a PNG or a bitmap without its file header."""

from __future__ import annotations

import struct

from milvus_hash.media.containers import png
from milvus_hash.media.containers.contents import Contents

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_MOST = 256  # pixels that a bitmap is wide or high; a larger icon is a PNG


def contents(data: bytes, every_frame: bool) -> Contents:
    """Keep the largest icon; of two of one size, that with more colours."""
    (count,) = struct.unpack_from("<H", data, 4)
    entries = [struct.unpack_from("<BBBBHHII", data, 6 + 16 * number) for number in range(count)]
    width, height, colours, _, planes, bits, size, at = max(
        entries, key=lambda entry: ((entry[0] or 256) * (entry[1] or 256), entry[5])
    )
    icon = data[at : at + size]
    if icon.startswith(_SIGNATURE):
        return png.contents(icon, False)
    width, height = struct.unpack_from("<ii", icon, 4)  # twice as high as it is: a mask follows
    if not (0 < width <= _MOST and 0 < height // 2 <= _MOST):
        raise ValueError(f"it holds a bitmap of {width} x {height // 2}; at most {_MOST} x {_MOST} are allowed")
    entry = struct.pack("<BBBBHHII", width % 256, height // 2 % 256, colours, 0, planes, bits, len(icon), 22)
    return Contents(data[:4] + b"\1\0" + entry + icon, "ICO", (width, height // 2))
